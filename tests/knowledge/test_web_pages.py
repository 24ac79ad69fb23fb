"""Web pages: asked for politely, from public hosts only, and known while their site is down."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from knowledge import documents, web_pages
from knowledge.web_pages import Fetched, Fetching, PageStore
from knowledge.web_pages.addresses import is_public, read_list

NOW = datetime(2026, 6, 18, 9, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class Site:
    """A website on this machine: what each path answers, and what it was asked."""

    port: int = 0
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)
    conditions: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def says(self, path: str, text: str, status: int = 200, **headers: str) -> None:
        told = {"Content-Type": "text/html; charset=utf-8", **headers}
        self.pages[path] = (status, told, text.encode())


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append(self.path)
            site.agents.add(self.headers["User-Agent"])
            status, headers, body = site.pages.get(self.path, (404, {}, b""))
            wanted = self.headers.get("If-None-Match")
            if wanted:
                site.conditions.append(wanted)
                if wanted == headers.get("ETag"):
                    status, body = 304, b""
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    site.port = server.server_port
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield site
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def store(tmp_path: Path) -> PageStore:
    return PageStore(tmp_path / "web-pages")


HOW = Fetching(allowed_hosts=frozenset({"127.0.0.1"}), sleep=lambda _: None)


def refresh(
    store: PageStore, site: Site, *paths: str, now: datetime = NOW, how: Fetching = HOW
) -> Fetched:
    return web_pages.refresh(store, [site.url + path for path in paths], now, how)


def test_the_pages_of_a_list_are_known_like_files(
    tmp_path: Path, site: Site, store: PageStore
) -> None:
    site.says("/faq", "<title>帮助</title><h2>包邮吗？</h2><p>满 99 元包邮。</p>")
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "shop.urls").write_text(
        f"# 帮助页\n{site.url}/faq\n\nftp://x\n{site.url}/later\n", encoding="utf-8"
    )
    assert documents.listed_addresses(folder) == [f"{site.url}/faq", f"{site.url}/later"]
    refresh(store, site, "/faq")
    loaded = documents.load(folder, pages=store)
    (document,) = loaded.documents
    assert (document.path, document.title) == (f"shop.urls#{site.url}/faq", "帮助")
    assert [(c.question, c.text) for c in document.chunks] == [("包邮吗？", "满 99 元包邮。")]
    assert [(p.line, "not fetched" in p.message) for p in loaded.problems] == [
        (4, False), (5, True),
    ]  # fmt: skip
    assert loaded.still_there(f"shop.urls#{site.url}/later")


def test_a_list_that_cannot_be_read_loses_none_of_its_pages(tmp_path: Path) -> None:
    (tmp_path / "shop.urls").write_bytes(bytes(range(256)))
    loaded = documents.load(tmp_path, pages=PageStore(tmp_path / "none"))
    assert loaded.still_there("shop.urls#https://shop.example/faq")
    assert not loaded.still_there("other.urls#https://shop.example/faq")


def test_a_page_is_asked_for_once_a_day_and_then_only_whether_it_changed(
    site: Site, store: PageStore
) -> None:
    site.says("/a", "<p>一</p>", ETag='"1"')
    assert refresh(store, site, "/a").new == (f"{site.url}/a",)
    before = store.fingerprint()
    assert refresh(store, site, "/a", now=NOW + timedelta(hours=23)).unchanged == 1
    assert site.asked.count("/a") == 1
    assert refresh(store, site, "/a", now=NOW + DAY).unchanged == 1
    assert (site.asked.count("/a"), site.conditions) == (2, ['"1"'])
    assert store.fingerprint() == before
    site.says("/a", "<p>二</p>", ETag='"2"')
    assert refresh(store, site, "/a", now=NOW + 2 * DAY).new
    assert store.fingerprint() != before


def test_a_site_that_is_down_keeps_what_is_known(site: Site, store: PageStore) -> None:
    site.says("/a", "<p>十点开门。</p>")
    refresh(store, site, "/a")
    site.says("/a", "oops", status=503)
    failed = refresh(store, site, "/a", now=NOW + DAY).failed
    assert "503" in failed[f"{site.url}/a"]
    page = store.page(f"{site.url}/a")
    assert page.body is not None
    assert "十点开门" in page.body.read_text("utf-8")
    assert "503" in page.problem


def test_a_page_that_is_gone_twice_is_forgotten(site: Site, store: PageStore) -> None:
    site.says("/a", "<p>十点开门。</p>")
    refresh(store, site, "/a")
    del site.pages["/a"]
    refresh(store, site, "/a", now=NOW + DAY)
    assert store.page(f"{site.url}/a").body is not None
    refresh(store, site, "/a", now=NOW + 2 * DAY)
    assert store.page(f"{site.url}/a").gone


def test_what_robots_txt_forbids_is_not_asked_for(site: Site, store: PageStore) -> None:
    site.says(
        "/robots.txt", "User-agent: *\nDisallow: /private\n", **{"Content-Type": "text/plain"}
    )
    site.says("/private/a", "<p>x</p>")
    site.says("/open", "<p>y</p>")
    done = refresh(store, site, "/private/a", "/open")
    assert "robots.txt" in done.failed[f"{site.url}/private/a"]
    assert "/private/a" not in site.asked
    assert done.new == (f"{site.url}/open",)
    assert site.asked.count("/robots.txt") == 1
    assert all(agent.startswith("Shequn/") for agent in site.agents)


def test_a_site_whose_robots_txt_cannot_be_had_is_left_alone(site: Site, store: PageStore) -> None:
    site.says("/robots.txt", "", status=500)
    site.says("/a", "<p>x</p>")
    assert "robots.txt" in refresh(store, site, "/a").failed[f"{site.url}/a"]
    assert "/a" not in site.asked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.8", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1",
        "0.0.0.0", "::1", "fe80::1", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::a00:1",
        "2002:7f00:1::", "fec0::1", "192.0.0.8", "192.88.99.1", "::7f00:1", "224.0.0.1",
        "198.18.0.1", "255.255.255.255", "nonsense",
    ],
)  # fmt: skip
def test_addresses_inside_a_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:4700::6810:84e5", "64:ff9b::808:808"]
)
def test_addresses_of_websites_are_public(address: str) -> None:
    assert is_public(address)


def test_a_host_that_leads_inside_is_refused_whatever_its_name(
    site: Site, store: PageStore
) -> None:
    site.says("/a", "<p>x</p>")
    for ips in (["127.0.0.1"], ["93.184.216.34", "10.0.0.1"]):
        how = Fetching(resolve=lambda *_, ips=ips: ips)
        address = f"http://shop.example:{site.port}/a"
        failed = web_pages.refresh(store, [address], NOW + DAY * len(ips), how).failed
        assert "not on the public internet" in failed[address]
    assert site.asked == []


def test_a_page_is_fetched_at_once_when_its_host_is_allowed(site: Site, store: PageStore) -> None:
    site.says("/a", "<p>十点开门。</p>")
    strangers = Fetching(sleep=lambda _: None)
    assert refresh(store, site, "/a", how=strangers).failed
    minute = timedelta(minutes=1)
    assert refresh(store, site, "/a", now=NOW + minute, how=strangers).unchanged == 1
    assert site.asked == []
    assert refresh(store, site, "/a", now=NOW + 2 * minute).new == (f"{site.url}/a",)
    assert store.page(f"{site.url}/a").problem == ""


def test_a_redirect_to_the_inside_is_refused(site: Site, store: PageStore) -> None:
    site.says("/a", "", status=302, Location=f"http://localhost:{site.port}/secret")
    site.says("/secret", "<p>内部</p>")
    assert "public internet" in refresh(store, site, "/a").failed[f"{site.url}/a"]
    assert "/secret" not in site.asked


def test_the_connection_goes_to_the_address_that_was_checked(site: Site, store: PageStore) -> None:
    site.says("/a", "<p>x</p>")
    names: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        names.append(host)
        return ["127.0.0.1"]

    how = replace(HOW, allowed_hosts=frozenset({"shop.example"}), resolve=resolve)
    address = f"http://shop.example:{site.port}/a"
    # No resolver of this machine knows the name: only the pinned address can have been used.
    assert web_pages.refresh(store, [address], NOW, how).new == (address,)
    assert set(names) == {"shop.example"}


def test_redirects_without_end_pages_too_large_and_unknown_kinds_are_told(
    site: Site, store: PageStore
) -> None:
    site.says("/loop", "", status=302, Location="/loop")
    site.says("/huge", "x" * 3_000)
    site.says("/film", "x", **{"Content-Type": "video/mp4"})
    packed = gzip.compress(bytes(2_000_000))
    site.pages["/bomb"] = (200, {"Content-Type": "text/html", "Content-Encoding": "gzip"}, packed)
    how = replace(HOW, largest_bytes=2_500)
    failed = refresh(store, site, "/loop", "/huge", "/film", "/bomb", how=how).failed
    told = {address.rpartition("/")[2]: message for address, message in failed.items()}
    assert "redirects" in told["loop"]
    assert "larger than" in told["huge"]
    assert "video/mp4" in told["film"]
    assert "larger than" in told["bomb"]


def test_a_list_is_read_line_by_line(tmp_path: Path) -> None:
    file = tmp_path / "a.urls"
    file.write_text(
        "HTTPS://Shop.example:443/faq#top # 帮助\n# 注释\nhttps://shop.example/faq\n"
        "https://me:secret@shop.example/\nfile:///etc/passwd\n",
        encoding="utf-8",
    )
    listed = read_list(file)
    assert listed.addresses == ((1, "https://shop.example/faq"),)
    assert [skipped.line for skipped in listed.skipped] == [4, 5]
    assert "secret" not in repr(listed)


def test_pages_on_no_list_are_forgotten(site: Site, store: PageStore) -> None:
    site.says("/a", "<p>x</p>")
    site.says("/b", "<p>y</p>")
    refresh(store, site, "/a", "/b")
    store.keep_only([f"{site.url}/b"])
    assert store.page(f"{site.url}/a").body is None
    assert store.page(f"{site.url}/b").body is not None


def test_a_validator_that_cannot_be_sent_back_stops_nobody(site: Site, store: PageStore) -> None:
    site.says("/odd", "<p>一</p>", ETag='"é"')
    site.says("/other", "<p>二</p>")
    assert len(refresh(store, site, "/odd", "/other").new) == 2
    done = refresh(store, site, "/odd", "/other", now=NOW + DAY)
    assert (done.unchanged, dict(done.failed)) == (2, {})


def test_an_odd_validator_of_an_earlier_version_is_not_sent(site: Site, store: PageStore) -> None:
    site.says("/odd", "<p>一</p>")
    refresh(store, site, "/odd")
    visit = store.visit(f"{site.url}/odd")
    assert visit is not None
    store.keep(replace(visit, etag='"é"', last_modified="昨天"))
    assert refresh(store, site, "/odd", now=NOW + DAY).unchanged == 1


def test_hosts_in_any_script_and_case_are_asked_by_their_ascii_name(
    site: Site, store: PageStore
) -> None:
    site.says("/a", "<p>x</p>")
    names: list[str] = []

    def resolve(host: str, _port: int) -> list[str]:
        names.append(host)
        return ["127.0.0.1"]

    allowed = frozenset({"例え.test", "Shop.Example"})
    how = replace(HOW, allowed_hosts=allowed, resolve=resolve)
    addresses = [f"http://例え.test:{site.port}/a", f"http://shop.example:{site.port}/a"]
    assert set(web_pages.refresh(store, addresses, NOW, how).new) == set(addresses)
    assert set(names) == {"xn--r8jz45g.test", "shop.example"}


def test_a_list_may_name_hosts_in_any_script_each_once(tmp_path: Path) -> None:
    file = tmp_path / "a.urls"
    file.write_text("https://例え.jp/a\nhttps://xn--r8jz45g.jp/a\nhttps://a..例.jp/\n", "utf-8")
    listed = read_list(file)
    assert listed.addresses == ((1, "https://xn--r8jz45g.jp/a"),)
    assert [skipped.line for skipped in listed.skipped] == [3]


def test_what_goes_wrong_with_one_site_leaves_the_others_alone(
    site: Site, store: PageStore, caplog: pytest.LogCaptureFixture
) -> None:
    site.says("/a", "<p>x</p>")

    def resolve(host: str, _port: int) -> list[str]:
        if host == "odd.example":
            raise RuntimeError("什么都可能")
        return ["127.0.0.1"]

    allowed = frozenset({"odd.example", "shop.example"})
    how = replace(HOW, allowed_hosts=allowed, resolve=resolve)
    odd, fine = (f"http://{name}.example:{site.port}/a" for name in ("odd", "shop"))
    done = web_pages.refresh(store, [odd, fine], NOW, how)
    assert (done.new, list(done.failed)) == ((fine,), [odd])
    assert "RuntimeError" in caplog.text
    assert "什么都可能" not in caplog.text


def test_a_page_that_robots_txt_forbids_later_is_forgotten_until_it_is_allowed_again(
    tmp_path: Path, site: Site, store: PageStore
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "shop.urls").write_text(f"{site.url}/a\n", "utf-8")
    path = f"shop.urls#{site.url}/a"
    site.says("/a", "<p>一瓶 199 元。</p>")
    refresh(store, site, "/a")
    assert [d.path for d in documents.load(folder, pages=store).documents] == [path]
    site.says("/robots.txt", "User-agent: *\nDisallow: /\n", **{"Content-Type": "text/plain"})
    refresh(store, site, "/a", now=NOW + 2 * DAY)
    loaded = documents.load(folder, pages=store)
    assert not loaded.documents
    assert not loaded.still_there(path)
    assert ["robots.txt" in problem.message for problem in loaded.problems] == [True]
    site.says("/robots.txt", "", **{"Content-Type": "text/plain"})
    assert refresh(store, site, "/a", now=NOW + 4 * DAY).new
    assert documents.load(folder, pages=store).documents


def test_a_packed_page_that_is_cut_off_does_not_count_as_the_whole(
    site: Site, store: PageStore
) -> None:
    prices = "".join(f"<p>{n} 号 {n * 7919 % 1000} 元</p>" for n in range(2_000))
    packed = gzip.compress(f"{prices}<p>已停售</p>".encode())
    headers = {"Content-Type": "text/html", "Content-Encoding": "gzip"}
    site.pages["/a"] = (200, headers, packed)
    refresh(store, site, "/a")
    site.pages["/a"] = (200, headers, packed[:-200])
    failed = refresh(store, site, "/a", now=NOW + DAY).failed
    assert "cut off" in failed[f"{site.url}/a"]
    body = store.page(f"{site.url}/a").body
    assert body is not None
    assert "已停售" in body.read_text("utf-8")


def test_the_rules_of_listed_sites_are_remembered(site: Site, store: PageStore) -> None:
    site.says("/robots.txt", "User-agent: *\nAllow: /\n", **{"Content-Type": "text/plain"})
    site.says("/a", "<p>x</p>")
    refresh(store, site, "/a")
    store.keep_only([f"{site.url}/a"])
    assert "Allow" in store.robots_text(site.url)
    refresh(store, site, "/a", "/b", now=NOW + timedelta(hours=2))
    assert site.asked.count("/robots.txt") == 1
    store.keep_only(["https://other.example/"])
    assert store.robots(site.url) is None
    assert store.robots_text(site.url) == ""

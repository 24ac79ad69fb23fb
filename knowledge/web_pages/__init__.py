"""Web pages as sources: lists of addresses (`*.urls`), fetched politely into a cache folder.

`addresses` says what may be asked for, `fetching` asks, `store` keeps what came. Reading documents
uses the store alone, so that it needs no network and a site that is down stays known.
"""

from knowledge.web_pages.addresses import Listed, read_list
from knowledge.web_pages.fetching import Fetched, Fetching, refresh
from knowledge.web_pages.store import Page, PageStore

__all__ = ["Fetched", "Fetching", "Listed", "Page", "PageStore", "read_list", "refresh"]

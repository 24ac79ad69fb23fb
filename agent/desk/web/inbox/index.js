// The inbox: the list on the left, the ticket in the middle, the reply on the right.
import { Canned } from "./canned.js";
import { Correct } from "./correct.js";
import { Keys } from "./keys.js";
import { TicketList } from "./list.js";
import { Reply } from "./reply.js";
import { TicketPane } from "./ticket.js";

const PHONE = matchMedia("(max-width: 759px)");
const emptyDraft = () => ({ text: "", mode: "reply", tags: [], priority: "", close: false, translation: null });
const nonce = () => Math.random().toString(36).slice(2) + Date.now().toString(36);

export default {
  components: { Canned, Correct, Keys, Reply, TicketList, TicketPane },
  inject: ["desk"],
  provide() { return { inbox: this }; },
  props: { state: Object },
  data() {
    const { state } = this;
    return {
      lines: new Map(state.list?.changed.map((line) => [line.id, line])), order: state.list?.order ?? [], more: state.list?.more ?? false,
      counts: state.counts ?? {}, filters: state.filters, groups: state.groups, colleagues: state.colleagues, canned: state.canned, views: state.views,
      ticket: state.ticket, chosen: state.ticket?.id ?? null, draft: emptyDraft(), seen: state.ticket?.replies ?? 0,
      loading: false, loadingMore: false, opening: false, failed: "", view: state.ticket ? "ticket" : "list",
      translated: {}, untranslated: "", translates: state.translates, suggested: null,
      sending: "", refused: "", stopped: false, kept: "", keys: false, managing: null, correcting: null, phone: PHONE.matches,
    };
  },
  computed: {
    shown() { return this.order.map((id) => this.lines.get(id)).filter(Boolean); },
    text() { return this.draft.text; },
  },
  created() { this.requests = {}; if (this.ticket) this.takeDraft(this.ticket.id, this.state.draft); },
  mounted() {
    PHONE.addEventListener("change", (event) => { this.phone = event.matches; });
    addEventListener("popstate", () => this.follow());
    addEventListener("pagehide", () => this.keepDraft());
    addEventListener("keydown", (event) => this.press(event));
    if (this.chosen) this.$refs.list.reveal();
    if (this.ticket && !this.ticket.gone) this.suggest();
  },
  methods: {
    // -- what the server tells
    receive(patch) {
      if (patch.list) this.takeList(patch.list);
      for (const name of ["counts", "filters", "groups", "colleagues", "canned", "views"]) if (patch[name]) this[name] = patch[name];
      if (patch.ticket && patch.ticket.id === this.chosen) this.takeTicket(patch.ticket);
      if ("translated" in patch) {
        if (!patch.translated) this.translated = {};
        else if (patch.translated.id === this.chosen) { this.translated = patch.translated.texts; this.untranslated = patch.translated.whyNot; }
      }
      if (patch.learned) this.desk.tell(this.desk.w("learned_done"));
      if (patch.notLearned) this.desk.tell(this.desk.w("not_learned", { why: patch.notLearned }), { kind: "bad" });
    },
    takeList({ order, changed, more }) {
      for (const line of changed) this.lines.set(line.id, line);
      const wanted = new Set(order);
      for (const id of this.lines.keys()) if (!wanted.has(id)) this.lines.delete(id);
      this.order = order;
      this.more = more;
    },
    takeTicket(ticket) {
      this.ticket = ticket;
      if (ticket.gone) return;
      // What one has not begun to answer is read as it comes.
      if (!this.text.trim() || this.draft.mode === "note") this.seen = ticket.replies;
      else if (ticket.replies > this.seen && ticket.answer) this.stopped = true;
    },

    own(text) { return this.translated[text] ?? ""; },
    async suggest() {
      const id = this.chosen;
      this.suggested = null;
      try {
        const { suggested } = await this.desk.act("suggest", { id });
        if (this.chosen === id) this.suggested = suggested;
      } catch { /* a reply can be written without */ }
    },

    // -- where one is
    address(id = this.chosen, filters = this.filters) {
      const query = new URLSearchParams();
      if (filters.state !== "unanswered") query.set("state", filters.state);
      for (const name of ["group", "priority", "tag", "q"]) if (filters[name]) query.set(name, filters[name]);
      const asked = query.toString();
      return (id ? `/desk/tickets/${id}` : "/desk") + (asked ? `?${asked}` : "");
    },
    follow() {
      const found = /^\/desk\/tickets\/(\d+)$/.exec(location.pathname);
      const query = new URLSearchParams(location.search);
      const filters = { state: query.get("state") ?? "unanswered", group: Number(query.get("group")) || null, priority: query.get("priority") ?? "", tag: query.get("tag") ?? "", q: query.get("q") ?? "" };
      if (JSON.stringify(filters) !== JSON.stringify(this.filters)) this.filter(filters, false);
      this.open(found ? Number(found[1]) : null, false);
    },
    async filter(filters, push = true) {
      const wanted = { state: "unanswered", group: null, priority: "", tag: "", q: "", ...filters };
      this.filters = wanted;
      const asked = (this.asked = (this.asked ?? 0) + 1);
      if (push) history.replaceState({}, "", this.address());
      this.loading = true;
      try {
        const found = await this.desk.act("filter", wanted);
        if (this.asked === asked) this.receive(found); // else something else was asked for meanwhile
      } catch (trouble) { this.desk.complain(trouble); }
      if (this.asked === asked) this.loading = false;
    },
    async loadMore() {
      this.loadingMore = true;
      const found = await this.desk.attempt("more");
      if (found?.list) this.takeList(found.list);
      this.loadingMore = false;
    },

    // -- the ticket
    async open(id, push = true) {
      if (id === this.chosen && this.ticket && !this.ticket.gone && !this.failed) { this.show(id ? "ticket" : "list"); return; }
      this.keepDraft();
      this.chosen = id;
      Object.assign(this, { ticket: null, draft: emptyDraft(), refused: "", stopped: false, kept: "", failed: "", translated: {}, untranslated: "", suggested: null, opening: Boolean(id) });
      if (push) history.pushState({}, "", this.address());
      this.show(id ? "ticket" : "list");
      this.$refs.list?.reveal();
      try {
        const found = await this.desk.act("open", { id });
        if (this.chosen !== id) return;
        this.ticket = found.ticket;
        this.seen = found.ticket?.replies ?? 0;
        if (found.ticket && !found.ticket.gone) { this.takeDraft(id, found.draft); this.suggest(); }
      } catch (trouble) { if (this.chosen === id) this.failed = trouble.words; }
      if (this.chosen === id) this.opening = false;
    },
    show(view) { this.view = view; },
    back() { this.open(null); },
    /** Have something done with the ticket; true if it was. */
    async perform(name, values = {}, done = null) {
      const id = this.chosen;
      const found = await this.desk.attempt(name, { id, version: this.ticket?.version, ...values });
      if (found === undefined) return false;
      if (found !== true) this.receive(found);
      if (done) this.desk.tell(done.words, { undo: done.undo });
      return found;
    },
    claim() { return this.perform("claim"); },
    async close() {
      const { id, answer } = this.ticket;
      const { w } = this.desk;
      if (!answer && !(await this.desk.ask(w("close_ask", { number: id }), { yes: w("close_yes", { number: id }), danger: true }))) return;
      this.perform("close", {}, { words: w("closed_done", { number: id }), undo: () => this.later("reopen", id) });
    },
    /** Undo something on a ticket that may no longer be the open one. */
    async later(name, id, values = {}) {
      const found = await this.desk.attempt(name, { id, ...values });
      if (found && found !== true) this.receive(found);
    },

    // -- drafts: in the browser at once, on the server soon after
    stored(id) { return `shequn.reply.${this.desk.user.id}.${id}`; },
    takeDraft(id, kept) {
      let draft = kept;
      try { draft = JSON.parse(localStorage.getItem(this.stored(id))) ?? kept; } catch { /* what the server has */ }
      this.draft = { ...emptyDraft(), ...draft };
      if (draft && draft !== kept) { this.unkept = id; this.keepDraft(); }
      if (this.text.trim() && Number.isInteger(this.draft.seen) && this.draft.mode !== "note") {
        this.seen = this.draft.seen;
        this.stopped = this.ticket.replies > this.seen && Boolean(this.ticket.answer);
      }
    },
    change(part) {
      this.draft = { ...this.draft, ...part };
      this.refused = "";
      delete this.requests[this.chosen];
      const id = this.chosen;
      try {
        if (this.text.trim()) localStorage.setItem(this.stored(id), JSON.stringify({ ...this.draft, seen: this.seen }));
        else localStorage.removeItem(this.stored(id));
      } catch { /* private browsing: the server keeps it */ }
      this.kept = "";
      this.unkept = id;
      clearTimeout(this.keeping);
      this.keeping = setTimeout(() => this.keepDraft(), 400);
      this.write();
    },
    async keepDraft() {
      clearTimeout(this.keeping);
      if (!this.unkept || this.unkept !== this.chosen) return;
      const id = this.unkept;
      const content = this.text.trim() ? { ...this.draft, seen: this.seen } : null;
      this.unkept = null;
      try {
        await this.desk.act("draft", { id, content });
        if (this.unkept !== id) {
          localStorage.removeItem(this.stored(id));
          if (this.chosen === id) this.kept = content ? "draft_kept" : "";
        }
      } catch { this.kept = "draft_here"; this.unkept ??= id; }
    },
    dropDraft() {
      clearTimeout(this.keeping);
      this.unkept = null;
      try { localStorage.removeItem(this.stored(this.chosen)); } catch { /* nothing is there */ }
      this.draft = { ...emptyDraft(), mode: this.draft.mode };
      this.kept = this.refused = "";
      this.stopped = false;
      this.seen = this.ticket?.replies ?? 0;
      this.stopWriting();
    },
    write() {
      clearTimeout(this.resting);
      if (!this.writing) { this.writing = true; this.desk.act("writing", { writing: true }).catch(() => {}); }
      this.resting = setTimeout(() => this.stopWriting(), 8000);
    },
    stopWriting() {
      clearTimeout(this.resting);
      if (this.writing) { this.writing = false; this.desk.act("writing", { writing: false }).catch(() => {}); }
    },

    // -- talking
    async send({ learn = false, everybody = false, confirmed = false } = {}) {
      const { draft, chosen: id, desk } = this;
      const { translation } = draft;
      if (!this.text.trim() || this.sending) return;
      if (translation && draft.mode !== "note" && translation.of !== draft.text) { this.refused = desk.w("translate_again"); return; }
      const act = { reply: "send", ask: "ask_back", note: "note" }[draft.mode];
      this.sending = learn ? "learn" : act;
      this.refused = "";
      clearTimeout(this.keeping);
      const request = (this.requests[id] ??= nonce());
      const { tags, priority, close } = draft;
      const also = act === "send" ? { seen: this.seen, learn, everybody, close, priority, tags } : {};
      try {
        const texts = translation ? { [translation.into]: translation.text } : {};
        const found = await desk.act(act, { id, text: draft.text, request, texts, confirmed, ...also });
        delete this.requests[id];
        if (this.chosen === id) { this.ticket = { ...this.ticket, ...found.ticket }; this.dropDraft(); this.draft.mode = "reply"; } else localStorage.removeItem(this.stored(id));
        this.receive(found);
        this.sayWhatWasDone(act, found);
        if (act === "note") desk.act("draft", { id, content: null }).catch(() => {});
      } catch (trouble) {
        if (this.chosen !== id) { desk.complain(trouble); }
        else if (trouble.code === "answered_meanwhile") { this.stopped = true; this.refused = trouble.words; this.unkept = id; this.keepDraft(); }
        else {
          this.refused = trouble.words;
          this.unkept = id;
          this.keepDraft();
          if (trouble.code === "translation_differs" && (await desk.ask(trouble.words, { yes: desk.w("send_as_it_is") }))) { this.sending = ""; this.send({ learn, everybody, confirmed: true }); return; }
        }
      }
      this.sending = "";
    },
    sayWhatWasDone(act, { sent }) {
      const { w, tell } = this.desk;
      if (act === "note") { tell(w("note_kept")); return; }
      const words = [act === "ask_back" ? w("asked_done") : w("sent_done", { people: sent.people, n: sent.groups.length })];
      if (sent.left.length) words.push(w("sent_left", { names: sent.left.join("、") }));
      if (sent.unreachable.length) words.push(w("sent_unreachable", { names: sent.unreachable.join("、") }));
      const id = this.chosen;
      tell(words.join(" "), act === "send" ? { undo: () => this.takeBack(id) } : {});
    },
    async takeBack(id = this.chosen) {
      const found = await this.desk.attempt("take_back", { id });
      if (!found) return;
      this.receive(found);
      this.desk.tell(this.desk.w("taken_back_done"));
      if (this.chosen !== id) { this.desk.act("draft", { id, content: { ...emptyDraft(), text: found.text } }).catch(() => {}); return; }
      this.seen = this.ticket.replies;
      if (!this.text.trim()) this.change({ text: found.text, mode: "reply" });
    },
    sendMine() {
      this.seen = this.ticket.replies;
      this.stopped = false;
      this.refused = "";
      this.send();
    },
    dropMine() {
      const before = { ...this.draft };
      this.dropDraft();
      this.desk.act("draft", { id: this.chosen, content: null }).catch(() => {});
      this.desk.tell(this.desk.w("dropped"), { undo: () => this.change(before) });
    },
    use(text) {
      this.change({ text: this.text.trim() ? `${this.text.trimEnd()}\n${text}` : text, mode: this.draft.mode === "note" ? "reply" : this.draft.mode });
      this.write_();
    },
    async useAnswer(id) {
      const found = await this.desk.attempt("use_answer", { id });
      if (found) this.use(found.text);
    },
    write_() {
      this.show("reply");
      this.$nextTick(() => this.$refs.reply?.focus());
    },

    // -- views
    async saveView(name) {
      const found = await this.desk.attempt("save_view", { name, filters: { ...this.filters } });
      if (found) { this.receive(found); this.desk.tell(this.desk.w("view_saved")); }
    },
    async removeView({ id, name, filters }) {
      const found = await this.desk.attempt("remove_view", { id });
      if (!found) return;
      this.receive(found);
      const undo = async () => { const back = await this.desk.attempt("save_view", { name, filters }); if (back) this.receive(back); };
      this.desk.tell(this.desk.w("view_removed", { name }), { undo });
    },

    // -- keys, not while typing
    press(event) {
      const typing = event.target.closest?.("input, textarea, select, [contenteditable]");
      if (event.key === "Escape") {
        if (this.keys) this.keys = false;
        else if (this.managing) this.managing = null;
        else if (this.correcting) this.correcting = null;
        else if (typing) typing.blur();
        return;
      }
      if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || this.desk.question || this.managing || this.correcting) return;
      const live = this.ticket && !this.ticket.gone;
      const acts = {
        j: () => this.step(1), k: () => this.step(-1), "/": () => { this.show("list"); this.$nextTick(() => this.$refs.list.$refs.search.focus()); },
        "?": () => { this.keys = !this.keys; }, c: () => live && this.claim(), r: () => live && this.write_(),
        l: () => live && (this.text.trim() && this.draft.mode === "reply" ? this.send({ learn: true }) : this.ticket.answer && !this.ticket.entry && this.learn()),
      };
      if (!acts[event.key]) return;
      event.preventDefault();
      acts[event.key]();
    },
    step(by) {
      const at = this.order.indexOf(this.chosen);
      const next = this.order[at < 0 ? 0 : Math.min(Math.max(at + by, 0), this.order.length - 1)];
      if (next && next !== this.chosen) this.open(next);
    },
    async learn(everybody = false) {
      const found = await this.perform("learn", { everybody });
      if (found) this.desk.tell(this.desk.w("learned_done"));
    },
  },
  template: `
    <div class="inbox" :class="'view-' + view">
      <TicketList ref="list" :lines="shown" :counts="counts" :filters="filters" :chosen="chosen" :more="more" :loading="loading && !shown.length" :loadingMore="loadingMore"
        :views="views" :groups="groups" @open="open" @filter="filter" @more="loadMore" @save-view="saveView" @remove-view="removeView" />
      <TicketPane :ticket="ticket" :opening="opening" :failed="failed" :number="chosen" :colleagues="colleagues" :text="text" @back="back" @retry="open(chosen, false)" />
      <Reply v-if="ticket && !ticket.gone" ref="reply" :ticket="ticket" :draft="draft" :canned="canned" :sending="sending" :refused="refused" :stopped="stopped" :kept="kept"
        @change="change" @send="send" @back="show('ticket')" />
      <Keys v-if="keys" @close="keys = false" />
      <Canned v-if="managing" :canned="canned" :start="managing" @close="managing = null" />
      <Correct v-if="correcting" :key="correcting" :number="correcting" @close="correcting = null" />
    </div>`,
};

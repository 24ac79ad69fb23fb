// The simulator's root: holds what the server sent, hands it to the three panes.
import { Chat } from "./chat.js";
import { Composer, emptyDraft } from "./composer.js";
import { Icon } from "./parts.js";
import { GroupList, TopBar } from "./sides.js";
import { Thought } from "./thought.js";
import { filled, Times } from "./words.js";

const MOST_ROWS = 500; // kept while reading the newest; earlier ones load again
const PHONE = matchMedia("(max-width: 759px)");
const THREE_PANES = matchMedia("(min-width: 1180px)");
const remembered = (group) => `shequn.draft.${group}`;

export default {
  components: { Chat, Composer, GroupList, Icon, Thought, TopBar },
  props: { initial: Object },
  emits: ["open", "older", "whole", "think", "say", "draft", "prefer", "find", "jump", "again"],
  provide() { return { desk: this }; },
  data() {
    const { initial } = this;
    return {
      words: initial.words, language: initial.language, languages: initial.languages, theme: initial.theme,
      community: initial.community, bot: initial.bot, mostBytes: initial.mostBytes, mostCharacters: initial.mostCharacters,
      groups: initial.groups, found: "", suggestions: initial.suggestions,
      chat: this.prepared(initial.chat), drafts: {}, speakers: {},
      health: null, offer: null, jumping: false, online: true, wasOffline: false, reading: "",
      now: initial.now, wide: !PHONE.matches, toast: null, refusals: {}, pending: {},
      selected: "", thought: null, panelOpen: THREE_PANES.matches && initial.panelOpen !== false,
      view: initial.asked ? "chat" : "list",
    };
  },
  computed: {
    times() { return new Times(this.language, this.initial.zone); },
    group() { return this.chat?.group; },
    draft() { return this.drafts[this.group] ?? emptyDraft(); },
    speaker() {
      const people = this.chat?.people ?? [];
      return people.find((one) => one.id === this.speakers[this.group]) ?? people[0];
    },
    sending() { return Object.values(this.pending).some((one) => one.group === this.group); },
    trying() { return this.chat && !this.chat.operators && !this.chat.loading && this.speaker ? this.suggestions : []; },
  },
  watch: {
    theme: { immediate: true, handler(theme) { document.documentElement.dataset.theme = theme; } },
    language: { immediate: true, handler(language) { document.documentElement.lang = language; } },
  },
  created() { this.takeDraft(this.initial.chat); },
  mounted() {
    this.clockAhead = this.initial.now - Date.now();
    this.ticking = setInterval(() => { this.now = Date.now() + this.clockAhead; }, 1000);
    PHONE.addEventListener("change", (event) => { this.wide = !event.matches; });
    addEventListener("popstate", () => this.follow());
    addEventListener("pagehide", () => this.keepDraft());
    addEventListener("keydown", (event) => { if (event.key === "Escape" && !THREE_PANES.matches && this.panelOpen) this.panel(false); });
    this.attach();
    if (this.group && !this.initial.asked) history.replaceState({ home: true }, "", location.pathname);
  },
  unmounted() { clearInterval(this.ticking); },
  methods: {
    w(key, values) { return filled(this.words, key, values); },
    viewerTime(at) { return at ? this.w("your_time", { time: this.times.viewer.format(at) }) : ""; },

    // -- the connection
    attach() {
      const socket = window.socket;
      if (!socket) { setTimeout(() => this.attach(), 20); return; }
      socket.on("disconnect", () => { this.online = false; this.wasOffline = true; });
      socket.on("connect", () => {
        if (this.wasOffline) this.say_("online_again");
        this.online = true;
        this.wasOffline = false;
        this.$emit("again", {});
      });
    },

    // -- what the server tells
    receive(patch) {
      if (patch.reload) { location.assign(location.pathname); return; }
      if (patch.now) { this.clockAhead = patch.now - Date.now(); this.now = patch.now; }
      if (patch.groups) {
        this.groups = patch.groups;
        const first = this.groups.find((one) => !one.operators);
        if (!this.chat && first && this.wide) this.open(first.id, null, false);
      }
      if ("found" in patch) this.found = patch.found;
      if (patch.chat && (!this.chat?.loading || patch.chat.group === this.group)) {
        this.chat = this.prepared(patch.chat);
        this.takeDraft(patch.chat);
        if (patch.goTo) this.$nextTick(() => this.$refs.chat.goTo(patch.goTo));
      }
      if (patch.rows) this.merge(patch.rows);
      if (patch.unechoed) this.chat.unechoed = patch.unechoed;
      if (patch.people) this.chat.people = patch.people;
      if (patch.older) this.prepend(patch.older);
      if (patch.whole) this.open_(patch.whole);
      if (patch.thought) this.thought = patch.thought;
      if (patch.health) this.health = patch.health;
      if ("offer" in patch) this.offer = patch.offer;
      if ("jumped" in patch) this.landed(patch.jumped);
      if (patch.said) this.settle(patch.said.nonce);
      if (patch.refused) this.settle(patch.refused.nonce, patch.refused.why);
      if ("reading" in patch) this.reading = patch.reading;
      if (patch.trouble) {
        if (this.chat?.loading) { this.chat.loading = false; this.chat.failed = patch.trouble; } else this.complain(patch.trouble);
      }
    },
    prepared(chat) {
      return chat && { rows: [], unechoed: [], people: [], name: "", loading: false, loadingOlder: false, failed: "", ...chat };
    },
    merge(changed) {
      const at = new Map(this.chat.rows.map((row, index) => [row.key, index]));
      for (const row of changed) {
        if (at.has(row.key)) this.chat.rows[at.get(row.key)] = { ...row, whole: this.chat.rows[at.get(row.key)].whole };
        else this.chat.rows.push(row);
      }
      const spare = this.chat.rows.length - MOST_ROWS;
      if (spare > 100 && this.$refs.chat?.atBottom) {
        this.chat.rows.splice(0, spare);
        this.chat.more = true;
      }
    },
    prepend({ rows, more }) {
      const release = this.$refs.chat.hold();
      this.chat.rows.unshift(...rows);
      this.chat.more = more;
      this.chat.loadingOlder = false;
      this.$nextTick(release);
    },
    open_({ key, text }) {
      const row = [...this.chat.rows, ...this.chat.unechoed].find((one) => one.key === key);
      if (row) row.whole = text;
    },

    // -- groups
    open(group, message = null, push = true) {
      this.keepDraft();
      const known = this.groups.find((one) => one.id === group);
      if (known) known.unread = 0;
      if (group !== this.group || !this.chat?.rows.length) {
        this.chat = this.prepared({ group, loading: true, name: known?.name ?? "", operators: known?.operators });
        this.selected = "";
        this.thought = null;
      }
      this.view = "chat";
      if (push && location.pathname !== `/g/${group}`) history.pushState({}, "", `/g/${group}`);
      this.$emit("open", { group, message });
    },
    follow() {
      const found = /^\/g\/(\d+)$/.exec(location.pathname);
      if (found) this.open(Number(found[1]), null, false);
      else this.view = "list";
    },
    back() {
      this.keepDraft();
      this.view = "list";
      history.pushState({}, "", "/");
    },
    older() {
      if (this.chat.loadingOlder || !this.chat.rows.length) return;
      this.chat.loadingOlder = true;
      this.$emit("older", { group: this.group, before: this.chat.rows[0].key });
    },
    whole(row) {
      if (row.whole !== undefined) row.whole = undefined;
      else this.$emit("whole", { key: row.key });
    },

    // -- drafts: here at once, on the server soon after, in the browser in case the server restarts
    takeDraft(chat) {
      if (!chat || chat.gone) return;
      if (chat.speaker) this.speakers[chat.group] = chat.speaker;
      if (this.drafts[chat.group]) return;
      let draft = chat.draft;
      if (!draft) {
        try { draft = JSON.parse(localStorage.getItem(remembered(chat.group))); } catch { draft = null; }
      }
      if (draft) this.drafts[chat.group] = { ...emptyDraft(), ...draft };
    },
    change(draft, group = this.group) {
      this.drafts[group] = draft;
      const kept = draft.text || draft.quote || draft.extra ? draft : null;
      try {
        if (kept) localStorage.setItem(remembered(group), JSON.stringify(kept));
        else localStorage.removeItem(remembered(group));
      } catch { /* private browsing: the server keeps it */ }
      this.unkept = { group, draft: kept };
      clearTimeout(this.keeping);
      this.keeping = setTimeout(() => this.keepDraft(), 300);
    },
    keepDraft() {
      clearTimeout(this.keeping);
      if (this.unkept) this.$emit("draft", this.unkept);
      this.unkept = null;
    },
    draftOf(group) { return this.drafts[group]?.text.slice(0, 80) ?? ""; },
    speak(member) {
      this.speakers[this.group] = member;
      this.$emit("prefer", { group: this.group, speaker: member });
    },
    quote(row) {
      const text = row.body.text ?? row.body.title ?? this.w(row.body.kind === "image" ? "image" : "quote");
      if (!row.key.startsWith("m")) return;
      this.change({ ...this.draft, quote: { key: row.key, name: row.name, text: text.slice(0, 160) } });
    },

    // -- saying something
    send() {
      const { draft, group } = this;
      const sent = draft.extra ? { ...emptyDraft(), extra: draft.extra, quote: draft.quote } : draft;
      this.change(draft.extra ? { ...draft, extra: null, quote: null } : emptyDraft());
      this.say(sent, group);
    },
    say(draft, group, suggestion = null) {
      const nonce = Math.random().toString(36).slice(2);
      this.refusals[group] = "";
      this.pending[nonce] = { draft, group, suggestion };
      this.keepDraft();
      this.$emit("say", {
        nonce, group, speaker: this.speaker?.id, text: draft.text, mentions: draft.mentions, extra: draft.extra,
        bot: draft.text.includes(`@${this.bot}\u2005`), quote: draft.quote?.key ?? null, suggestion: suggestion?.id ?? null,
      });
      this.$refs.chat?.down();
    },
    settle(nonce, why = "") {
      const { draft, group, suggestion } = this.pending[nonce] ?? {};
      delete this.pending[nonce];
      if (!group) return;
      if (!why) {
        if (suggestion) this.suggestions = this.suggestions.filter((one) => one !== suggestion);
        return;
      }
      this.refusals[group] = why;
      if (suggestion) return;
      const typed = this.drafts[group] ?? emptyDraft();
      const text = draft.text + (draft.text && typed.text ? "\n" : "") + typed.text;
      this.change({ ...draft, text, extra: draft.extra ?? typed.extra, quote: draft.quote ?? typed.quote }, group);
    },
    attempt(suggestion) {
      if (this.sending || !this.online) return;
      const text = (suggestion.bot ? `@${this.bot}\u2005` : "") + suggestion.text;
      this.say({ ...emptyDraft(), text }, this.group, suggestion);
    },
    hideSuggestions() {
      this.suggestions = [];
      this.$emit("prefer", { hideSuggestions: true });
    },

    // -- the rest
    think(key) {
      this.selected = key;
      this.panelOpen = true;
      this.$emit("think", { key });
    },
    go(step) {
      if (!THREE_PANES.matches) this.panelOpen = false;
      const { selected, thought } = this;
      this.open(step.group, step.key);
      if (step.group !== this.group) return;
      this.selected = selected;
      this.thought = thought;
    },
    panel(open) {
      this.panelOpen = open;
      this.$emit("prefer", { panelOpen: open });
    },
    jump() { this.jumping = true; this.$emit("jump", {}); },
    landed(offer) {
      this.jumping = false;
      if (offer) this.say_("jumped", { time: this.times.coming(offer.at, 0), title: offer.title });
    },
    choose(part) {
      this.keepDraft();
      if (part.theme) this.theme = part.theme;
      this.$emit("prefer", part);
    },
    say_(key, values) { this.show(this.w(key, values), "good"); },
    complain(words) { this.jumping = false; this.show(words, "bad"); },
    show(words, kind) {
      clearTimeout(this.fading);
      this.toast = { words, kind };
      this.fading = setTimeout(() => { this.toast = null; }, kind === "bad" ? 8000 : 5000);
    },
  },
  template: `
    <div class="shequn simulator" :class="['view-' + view, { 'with-panel': panelOpen, offline: !online }]">
      <TopBar @jump="jump" @theme="choose({ theme: $event })" @language="choose({ language: $event })" />
      <div v-if="reading" class="strip" role="alert"><Icon name="warn" />{{ reading }}</div>
      <main>
        <GroupList :groups="groups" :chosen="group" :found="found" @open="open" @find="$emit('find', { text: $event })" />
        <div v-if="chat" class="middle">
          <Chat ref="chat" :chat="chat" :speaker="speaker?.id" :selected="selected" @older="older" @think="think" @quote="quote" @back="back"
            @whole="whole" @retry="open(group)" @panel="panel(!panelOpen)" />
          <section v-if="trying.length" class="trying" :aria-label="w('try_title')">
            <div class="trying-head"><b>{{ w("try_title") }}</b><span class="hint one-line">{{ w("try_as", { name: speaker.name }) }}</span>
              <button type="button" class="plain" :aria-label="w('dismiss')" :title="w('dismiss')" @click="hideSuggestions"><Icon name="close" /></button></div>
            <div class="trying-list"><button v-for="one in trying" :key="one.id" type="button" class="suggestion" :disabled="sending || !online" @click="attempt(one)">
              <small>{{ w("try_" + one.kind) }}</small><span>{{ (one.bot ? "@" + bot + " " : "") + one.text }}</span></button></div>
          </section>
          <Composer v-if="!chat.gone && !chat.failed" :chat="chat" :draft="draft" :speaker="speaker" :refused="refusals[group]" :sending="sending"
            @change="change($event)" @send="send" @speak="speak" @dismiss="refusals[group] = ''" />
        </div>
        <div v-else class="middle state quiet"><p>{{ groups.length ? w("pick_group") : w("no_groups") }}</p><p v-if="!groups.length" class="hint">{{ w("no_groups_next") }}</p></div>
        <div v-if="panelOpen" class="veil" @click="panel(false)"></div>
        <Thought v-if="panelOpen" :selected="selected" :thought="thought" @close="panel(false)" @go="go" />
      </main>
      <div class="toasts" role="status" aria-live="polite"><div v-if="toast" class="toast" :class="toast.kind">
        <Icon :name="toast.kind === 'bad' ? 'warn' : 'check'" /><span>{{ toast.words }}</span>
        <button type="button" class="plain" :aria-label="w('dismiss')" @click="toast = null"><Icon name="close" /></button></div></div>
    </div>`,
};

// The frame of every page of the desk: navigation, who is signed in, the line to the server.
import { Icon } from "./parts.js";
import { filled, Times } from "./words.js";

const NO_ANSWER_MS = 20000;
const LOST = "shequn.lost";
const remember = (key, value) => { try { sessionStorage.setItem(key, value); } catch { /* private browsing */ } };
const recall = (key) => {
  try {
    const value = sessionStorage.getItem(key);
    sessionStorage.removeItem(key);
    return value;
  } catch { return null; }
};

/** Trouble that the server, or the lost line to it, has told: `code`, `words`, `values`. */
export class Trouble extends Error {
  constructor({ code = "", words = "", values = {} }) {
    super(words);
    Object.assign(this, { code, words, values });
  }
}

export default {
  components: { Icon },
  props: { initial: Object },
  emits: ["act"],
  provide() { return { desk: this }; },
  data() {
    const { frame, state } = this.initial;
    return {
      frame, state, page: null, broken: false, online: true, wasOffline: false, signedOut: false, reading: "",
      now: frame.now, menu: false, toast: null, question: null, waiting: 0,
    };
  },
  computed: {
    words() { return this.frame.words; },
    user() { return this.frame.user; },
    language() { return this.frame.language; },
    times() { return new Times(this.language, this.frame.zone); },
    signInAddress() { return `/desk/sign-in?next=${encodeURIComponent(location.pathname + location.search)}`; },
  },
  watch: {
    "frame.theme": { immediate: true, handler(theme) { document.documentElement.dataset.theme = theme; } },
    language: { immediate: true, handler(language) { document.documentElement.lang = language; } },
  },
  async created() {
    this.answers = new Map();
    if (this.frame.allowed) {
      try {
        this.page = Vue.markRaw((await import(`shequn-desk/${this.initial.page}`)).default);
      } catch (error) {
        console.error(error);
        this.broken = true;
      }
    }
    // What the server drew is seen until this is.
    this.$nextTick(() => document.getElementById("first-drawing")?.remove());
  },
  mounted() {
    this.clockAhead = this.frame.now - Date.now();
    this.ticking = setInterval(() => { this.now = Date.now() + this.clockAhead; }, 1000);
    if (recall(LOST)) this.tell(this.w("restarted"));
    addEventListener("pointerdown", (event) => { if (this.menu && !this.$refs.account?.contains(event.target)) this.menu = false; });
    addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      if (this.question) this.answer(false);
      else if (this.menu) { this.menu = false; this.$refs.face?.focus(); }
    });
    this.attach();
  },
  unmounted() { clearInterval(this.ticking); },
  methods: {
    w(key, values) { return filled(this.words, key, values); },
    viewerTime(at) { return at ? this.w("your_time", { time: this.times.viewer.format(at) }) : ""; },

    // -- the line to the server
    attach() {
      const socket = window.socket;
      if (!socket) { setTimeout(() => this.attach(), 20); return; }
      socket.on("disconnect", () => {
        this.online = false;
        this.wasOffline = true;
        remember(LOST, "1"); // a server that was restarted has the page load anew
      });
      socket.on("connect", () => {
        if (this.wasOffline) {
          // Only a page that stays can say so; one that loads anew says it was restarted.
          setTimeout(() => { recall(LOST); this.tell(this.w("online_again")); }, 1000);
          this.act("again").catch(() => {});
        }
        this.online = true;
        this.wasOffline = false;
      });
    },
    /** Have the server do `on_<name>`; resolves to what it returns, rejects with `Trouble`. */
    act(name, values = {}) {
      if (!this.online && name !== "again") return Promise.reject(new Trouble({ code: "offline", words: this.w("not_online") }));
      const nonce = Math.random().toString(36).slice(2);
      this.waiting += 1;
      return new Promise((resolve, reject) => {
        const late = setTimeout(() => {
          this.answers.delete(nonce);
          reject(new Trouble({ code: "no_answer", words: this.w("no_answer") }));
        }, NO_ANSWER_MS);
        this.answers.set(nonce, ({ value, trouble }) => {
          clearTimeout(late);
          if (trouble) reject(new Trouble(trouble)); else resolve(value);
        });
        this.$emit("act", { nonce, name, values });
      }).finally(() => { this.waiting -= 1; });
    },
    /** As `act`, with trouble told on the page; resolves to undefined then. */
    async attempt(name, values) {
      try {
        return (await this.act(name, values)) ?? true;
      } catch (trouble) {
        this.complain(trouble);
        return undefined;
      }
    },
    receive(patch) {
      if (patch.answer) {
        this.answers.get(patch.answer.nonce)?.(patch.answer);
        this.answers.delete(patch.answer.nonce);
      }
      if (patch.frame) {
        const allowed = this.frame.allowed;
        this.frame = patch.frame;
        if (patch.frame.allowed && !allowed) location.reload();
      }
      if (patch.state) {
        if (this.$refs.page?.receive) this.$refs.page.receive(patch.state);
        else Object.assign(this.state, patch.state);
      }
      if (patch.signedOut) this.signedOut = true;
      if ("reading" in patch) this.reading = patch.reading;
    },

    // -- telling and asking
    /** Say something; `undo`, a function, is offered for `seconds`. */
    tell(words, { kind = "good", undo = null, seconds = kind === "bad" ? 10 : 5 } = {}) {
      clearTimeout(this.fading);
      this.toast = { words, kind, undo, until: Date.now() + seconds * 1000, seconds };
      this.fading = setTimeout(() => { this.toast = null; }, seconds * 1000);
    },
    complain(trouble) { this.tell(trouble.words ?? this.w("something_wrong"), { kind: "bad" }); },
    undoIt() {
      const { undo } = this.toast;
      this.toast = null;
      undo();
    },
    /** Ask once: resolves to whether it shall be done. `yes` names what will be done. */
    ask(words, { title = "", yes, danger = false } = {}) {
      const before = document.activeElement;
      return new Promise((resolve) => {
        this.question = { words, title, yes, danger, resolve: (value) => { resolve(value); before?.focus?.(); } };
        this.$nextTick(() => this.$refs.yes?.focus());
      });
    },
    answer(value) {
      const { resolve } = this.question;
      this.question = null;
      resolve(value);
    },
    trap(event) { // a dialog keeps the focus
      const stops = [...event.currentTarget.querySelectorAll("button, input, select, textarea, a[href]")].filter((one) => !one.disabled);
      const at = stops.indexOf(document.activeElement) + (event.shiftKey ? -1 : 1);
      event.preventDefault();
      stops[(at + stops.length) % stops.length]?.focus();
    },

    // -- one's own
    choose(part) {
      if (part.theme) this.frame.theme = part.theme;
      this.$refs.page?.keepDraft?.();
      this.attempt("prefer", part);
    },
    leave(event) {
      this.$refs.page?.keepDraft?.();
      if (event.type === "submit") return;
    },
  },
  template: `
    <div class="shequn desk" :class="{ offline: !online }">
      <a class="to-content" href="#content">{{ w("to_content") }}</a>
      <header class="topbar desk-bar">
        <a class="desk-name" href="/desk" :title="frame.community" @click="leave"><span class="logo" aria-hidden="true"></span><b class="one-line wide-only">{{ frame.community }}</b></a>
        <nav :aria-label="w('navigation')">
          <a v-for="one in frame.sections" :key="one.key" :href="one.address" :aria-current="one.key === frame.section ? 'page' : null" @click="leave">
            <Icon :name="one.icon" /><span>{{ one.title }}</span></a>
          <a v-if="frame.simulator" href="/" @click="leave"><Icon name="bot" /><span>{{ w("simulator") }}</span></a>
        </nav>
        <span class="spacer"></span>
        <span v-if="!online" class="chip bad" role="alert"><Icon name="warn" />{{ w("offline") }}</span>
        <i v-else-if="waiting" class="spinner" aria-hidden="true"></i>
        <div class="account" ref="account">
          <button type="button" class="face" ref="face" :aria-expanded="menu" aria-haspopup="true" :aria-label="w('account') + ': ' + user.name" @click="menu = !menu">
            <i class="dot" :class="frame.onDuty ? 'on' : 'off'" aria-hidden="true"></i><span class="one-line">{{ user.name }}</span><Icon name="down" /></button>
          <div v-if="menu" class="popover account-menu">
            <p class="who"><b>{{ user.name }}</b><span class="hint">{{ user.roles.map((role) => w("role_" + role)).join(" · ") }}</span></p>
            <button type="button" class="switch" role="switch" :aria-checked="frame.onDuty" @click="choose({ onDuty: !frame.onDuty })">
              <span class="track" aria-hidden="true"></span><span><b>{{ w(frame.onDuty ? "on_duty" : "off_duty") }}</b><small>{{ w(frame.onDuty ? "on_duty_hint" : "off_duty_hint") }}</small></span></button>
            <label><span>{{ w("language") }}</span>
              <select class="field" :value="language" @change="choose({ language: $event.target.value })">
                <option v-for="(name, code) in frame.languages" :key="code" :value="code">{{ name }}</option></select></label>
            <label><span>{{ w("theme") }}</span>
              <select class="field" :value="frame.theme" @change="choose({ theme: $event.target.value })">
                <option v-for="one in ['auto', 'light', 'dark']" :key="one" :value="one">{{ w("theme_" + one) }}</option></select></label>
            <form method="post" action="/desk/sign-out" @submit="leave"><input type="hidden" name="csrf" :value="frame.csrf"><button class="secondary">{{ w("sign_out") }}</button></form>
          </div>
        </div>
      </header>
      <div v-if="signedOut" class="strip" role="alert"><Icon name="warn" />{{ w("signed_out") }} <a :href="signInAddress">{{ w("sign_in_again") }}</a></div>
      <div v-else-if="reading" class="strip" role="alert"><Icon name="warn" />{{ reading }}</div>
      <main id="content" tabindex="-1">
        <component v-if="page && frame.allowed" :is="page" ref="page" :state="state" />
        <div v-else-if="!frame.allowed" class="state quiet"><Icon name="block" /><p>{{ w("no_right") }}</p><p class="hint">{{ w("no_right_next") }}</p></div>
        <div v-else-if="broken" class="state quiet"><Icon name="warn" /><p>{{ w("load_failed") }}</p><a class="secondary" href="">{{ w("retry") }}</a></div>
        <div v-else class="state"><i class="spinner"></i>{{ w("loading") }}</div>
      </main>
      <div class="toasts" role="status" aria-live="polite"><div v-if="toast" class="toast" :class="toast.kind">
        <Icon :name="toast.kind === 'bad' ? 'warn' : 'check'" /><span>{{ toast.words }}</span>
        <button v-if="toast.undo" type="button" class="undo" @click="undoIt">{{ w("undo") }}<small>{{ Math.max(Math.ceil((toast.until - now + clockAhead) / 1000), 0) }}</small></button>
        <button type="button" class="plain" :aria-label="w('close')" @click="toast = null"><Icon name="close" /></button></div></div>
      <div v-if="question" class="dialog-veil" @pointerdown.self="answer(false)">
        <div class="dialog" role="alertdialog" aria-modal="true" :aria-label="question.title || question.words" @keydown.tab="trap">
          <h2 v-if="question.title">{{ question.title }}</h2><p>{{ question.words }}</p>
          <div class="dialog-foot"><button type="button" class="secondary" @click="answer(false)">{{ w("cancel") }}</button>
            <button type="button" ref="yes" class="primary" :class="{ danger: question.danger }" @click="answer(true)">{{ question.yes }}</button></div></div></div>
    </div>`,
};

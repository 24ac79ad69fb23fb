// The reply on the right: the box, what goes with it, what members will see.
import { Icon } from "../parts.js";

const MODES = ["reply", "ask", "note"];
const ENDED = ["closed", "merged", "expired"];
const MOST = 2000;

export const Reply = {
  components: { Icon },
  inject: ["desk", "inbox"],
  props: { ticket: Object, draft: Object, canned: Array, sending: String, refused: String, stopped: Boolean, kept: String },
  emits: ["change", "send", "back"],
  data() { return { translating: false, untranslated: "", choosing: false, search: "", previewing: false, preview: null, everybody: false }; },
  computed: {
    ended() { return ENDED.includes(this.ticket.state); },
    modes() { return this.ticket.state === "answered" ? ["reply", "note"] : this.ended ? ["note"] : MODES; },
    mode() { return this.modes.includes(this.draft.mode) ? this.draft.mode : this.modes[0]; },
    held() { return this.ticket.heldUntil ? Math.max(Math.ceil((this.ticket.heldUntil - this.desk.now) / 1000), 0) : 0; },
    fitting() {
      const text = this.search.trim().toLowerCase();
      return text ? this.canned.filter((one) => (one.title + one.text).toLowerCase().includes(text)) : this.canned;
    },
    withIt() {
      const { tags, priority, close } = this.draft;
      return [tags.length && `${this.desk.w("does_tag")}: ${tags.join(", ")}`, priority && this.desk.w("priority_" + priority), close && this.desk.w("does_close")].filter(Boolean).join(" · ");
    },
    base() { return this.desk.language.split("-")[0]; },
    /** The members' language, where it is not the reader's own. */
    into() { return this.ticket.askers.map((one) => one.language.split("-")[0]).find((one) => one && one !== this.base) ?? ""; },
    stale() { return this.draft.translation && this.draft.translation.of !== this.draft.text; },
    empty() { return !this.draft.text.trim(); },
  },
  watch: {
    "draft.text"() { this.fit(); this.look(); },
    "ticket.id"() { this.previewing = this.choosing = false; this.preview = null; this.$nextTick(this.fit); },
    "ticket.askers"() { this.look(); },
    mode: { immediate: true, handler(mode) { if (mode !== this.draft.mode) this.inbox.draft.mode = mode; } },
  },
  created() { this.most = MOST; },
  mounted() { this.fit(); },
  unmounted() { clearTimeout(this.looking); },
  methods: {
    focus() { this.$refs.box?.focus(); },
    fit() {
      const box = this.$refs.box;
      if (!box) return;
      box.style.height = "auto";
      box.style.height = `${Math.min(box.scrollHeight + 2, 360)}px`;
    },
    look() {
      clearTimeout(this.looking);
      if (this.previewing) this.looking = setTimeout(() => this.read(), 250);
    },
    async togglePreview() {
      this.previewing = !this.previewing;
      if (this.previewing) await this.read();
    },
    async read() {
      if (this.empty) { this.preview = null; return; }
      const { translation, text } = this.draft;
      const texts = translation && !this.stale ? { [translation.into]: translation.text } : {};
      try { this.preview = (await this.desk.act("preview", { id: this.ticket.id, text, texts })).preview; } catch { this.preview = null; }
    },
    async translate() {
      const { text } = this.draft;
      this.translating = true;
      this.untranslated = "";
      const found = await this.desk.attempt("translate", { text, into: this.into });
      this.translating = false;
      if (!found) return;
      const { translation } = found;
      if (translation.whyNot) { this.untranslated = translation.whyNot; return; }
      this.$emit("change", { translation: { ...translation, of: text } });
      this.look();
    },
    different(one) {
      const key = `differs_${one.kind}`;
      return this.desk.w(key in this.desk.words ? key : "differs", one);
    },
    filled(text) {
      const unique = (values) => [...new Set(values)].join(this.desk.language === "en" ? ", " : "、");
      const values = {
        member: unique(this.ticket.askers.filter((one) => one.present).map((one) => one.member)), group: unique(this.ticket.askers.map((one) => one.group)),
        question: this.ticket.question, number: String(this.ticket.id), operator: this.desk.user.name,
      };
      return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
    },
    insert(one) {
      const box = this.$refs.box;
      const { text, tags } = this.draft;
      const at = box && document.activeElement === box ? box.selectionStart : text.length;
      const before = text.slice(0, at);
      this.$emit("change", {
        text: before + (before && !before.endsWith("\n") && !document.activeElement?.isSameNode(box) ? "\n" : "") + this.filled(one.text) + text.slice(at),
        tags: [...new Set([...tags, ...one.tags])], priority: one.priority || this.draft.priority, close: this.draft.close || one.close, mode: this.mode === "note" ? "reply" : this.mode,
      });
      this.choosing = false;
      this.search = "";
      this.$nextTick(() => this.focus());
    },
    choose() {
      this.choosing = !this.choosing;
      if (this.choosing) this.$nextTick(() => this.$refs.search?.focus());
    },
    enter(event) {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) { event.preventDefault(); this.$emit("send"); }
    },
    manage(start) { this.choosing = false; this.inbox.managing = start; },
  },
  template: `
    <section class="reply" :aria-label="desk.w('reply')">
      <header class="reply-head"><button type="button" class="plain phone-only" :aria-label="desk.w('ticket')" @click="$emit('back')"><Icon name="back" /></button>
        <div class="modes" role="radiogroup" :aria-label="desk.w('reply')"><button v-for="one in modes" :key="one" type="button" role="radio" :aria-checked="mode === one" @click="$emit('change', { mode: one }); focus()">
          <Icon :name="{ reply: 'quote', ask: 'ask', note: 'note' }[one]" />{{ desk.w({ reply: "reply", ask: "ask_back", note: "note" }[one]) }}</button></div>
        <span class="spacer"></span><span class="phone-only number">#{{ ticket.id }}</span></header>
      <div class="reply-body">
        <div v-if="held" class="told held" role="status"><Icon name="clock" /><span>{{ desk.w("held", { n: held }) }}</span><button type="button" class="secondary small take-back" @click="inbox.takeBack()">{{ desk.w("take_back") }}</button></div>
        <p v-else-if="ended" class="told">{{ desk.w("ended_state") }}</p>
        <p v-else-if="ticket.state === 'answered'" class="told">{{ desk.w("answered_state") }}</p>
        <div v-if="stopped" class="told bad stopped" role="alert"><b><Icon name="warn" />{{ desk.w("stopped") }}</b><p>{{ refused || desk.w("their_reply", { name: ticket.answeredBy }) }}</p>
          <p>{{ desk.w("their_reply", { name: ticket.answeredBy }) }}</p><blockquote>{{ ticket.answer }}</blockquote>
          <div class="line"><button type="button" class="secondary small send-mine" @click="inbox.sendMine()">{{ desk.w("send_mine") }}</button><button type="button" class="secondary small drop-mine" @click="inbox.dropMine()">{{ desk.w("drop_mine") }}</button></div></div>
        <p v-else-if="refused" class="told bad refusal" role="alert"><Icon name="warn" />{{ refused }}</p>
        <section v-if="inbox.suggested && empty && mode === 'reply' && !ended" class="suggested" :aria-label="desk.w('draft_from_knowledge')"><h2><Icon name="book" />{{ desk.w("draft_from_knowledge") }} · {{ desk.w("origin_" + inbox.suggested.origin) }}<template v-if="inbox.suggested.score !== null"> · {{ inbox.suggested.score.toFixed(2) }}</template></h2>
          <p>{{ inbox.suggested.text }}</p><button type="button" class="secondary small use-draft" @click="inbox.use(inbox.suggested.text)">{{ desk.w("use_draft") }}</button></section>
        <div class="box" :class="mode"><textarea ref="box" :value="draft.text" :placeholder="desk.w({ reply: 'reply_here', ask: 'ask_back_hint', note: 'note_hint' }[mode])" :aria-label="desk.w({ reply: 'reply', ask: 'ask_back', note: 'note' }[mode])"
          @input="$emit('change', { text: $event.target.value })" @keydown="enter"></textarea>
          <div class="box-foot"><span class="canned-button"><button type="button" class="secondary small" :aria-expanded="choosing" @click="choose"><Icon name="pen" />{{ desk.w("canned") }}</button>
              <div v-if="choosing" class="popover canned-list" @keydown.esc.stop="choosing = false"><input ref="search" v-model="search" class="field" :placeholder="desk.w('canned_search')" :aria-label="desk.w('canned_search')" @keydown.enter.prevent="fitting[0] && insert(fitting[0])">
                <ul><li v-for="one in fitting" :key="one.id"><button type="button" @click="insert(one)"><b>{{ one.title }}</b><span>{{ one.text }}</span></button></li><li v-if="!fitting.length" class="hint">{{ desk.w("canned_none") }}</li></ul>
                <div class="dialog-foot"><button v-if="!empty" type="button" class="secondary small" @click="manage({ text: draft.text })">{{ desk.w("canned_from_reply") }}</button><button type="button" class="secondary small" @click="manage({})">{{ desk.w("canned_manage") }}</button></div></div></span>
            <button v-if="mode !== 'note'" type="button" class="secondary small" :aria-expanded="previewing" @click="togglePreview"><Icon name="eye" />{{ desk.w("preview") }}</button><span class="spacer"></span>
            <span class="hint count" :class="{ over: draft.text.length > most }"><Icon v-if="draft.text.length > most" name="warn" />{{ draft.text.length > 200 ? desk.w("characters", { n: draft.text.length, most }) : kept ? desk.w(kept) : "" }}</span></div></div>
        <section v-if="into && mode !== 'note' && !ended" class="translation" :aria-label="desk.w('translation')">
          <p v-if="!inbox.translates" class="hint"><Icon name="globe" /> {{ desk.w("no_translator") }}</p>
          <template v-else><div class="line"><button type="button" class="secondary small translate" :disabled="empty || translating || !desk.online" @click="translate"><i v-if="translating" class="spinner"></i><Icon v-else name="globe" />{{ desk.w("translate_into", { language: desk.w("language_" + into) }) }}</button>
              <button v-if="draft.translation" type="button" class="secondary small" @click="$emit('change', { translation: null })">{{ desk.w("drop_translation") }}</button></div>
            <p v-if="inbox.untranslated || untranslated" class="hint"><Icon name="warn" /> {{ desk.w("untranslated_" + (untranslated || inbox.untranslated)) }}</p>
            <div v-if="draft.translation" class="translated" :class="{ stale }"><h2>{{ desk.w("members_read") }}</h2>
              <textarea class="field" rows="4" :lang="draft.translation.into" :aria-label="desk.w('members_read')" :value="draft.translation.text" @input="$emit('change', { translation: { ...draft.translation, text: $event.target.value } })"></textarea>
              <template v-if="draft.translation.back"><h2>{{ desk.w("back_translation") }}</h2><p class="back" :lang="desk.language">{{ draft.translation.back }}</p></template>
              <ul v-if="draft.translation.differences.length" class="differences"><li v-for="(one, index) in draft.translation.differences" :key="index"><Icon name="warn" />{{ different(one) }}</li></ul>
              <p v-if="stale" class="told bad"><Icon name="warn" />{{ desk.w("translate_again") }}</p></div></template></section>
        <p v-if="withIt && mode === 'reply'" class="with-it"><span>{{ desk.w("with_it", { what: withIt }) }}</span><button type="button" class="plain" :aria-label="desk.w('delete')" @click="$emit('change', { tags: [], priority: '', close: false })"><Icon name="close" /></button></p>
        <div class="sends-row"><template v-if="mode === 'reply'"><button type="button" class="primary send" :disabled="empty || Boolean(sending) || !desk.online" @click="$emit('send')">{{ desk.w(sending === "send" ? "sending" : "send") }}</button>
            <button type="button" class="secondary send-learn" :disabled="empty || Boolean(sending) || !desk.online" @click="$emit('send', { learn: true, everybody })"><Icon name="book" />{{ desk.w("send_learn") }}</button></template>
          <button v-else type="button" class="primary send" :disabled="empty || Boolean(sending) || !desk.online" @click="$emit('send')">{{ desk.w(sending ? "sending" : mode === "ask" ? "ask_back" : "note") }}</button></div>
        <label v-if="mode === 'reply'" class="everybody"><input type="checkbox" v-model="everybody">{{ desk.w("learn_all") }}</label>
        <section v-if="previewing && mode !== 'note'" class="preview" :aria-label="desk.w('preview')"><h2>{{ desk.w("preview") }}</h2><p v-if="!preview" class="hint">{{ desk.w("preview_empty") }}</p>
          <div v-for="one in preview ?? []" :key="one.group" class="preview-group"><h3>{{ one.group }}</h3><p v-if="!one.messages.length" class="hint warned"><Icon name="warn" />{{ desk.w("preview_nobody") }}</p>
            <div v-for="(message, index) in one.messages" :key="index" class="preview-bubble">{{ message }}</div><p v-if="one.left.length" class="hint"><Icon name="warn" /> {{ desk.w("preview_left", { names: one.left.join("、") }) }}</p></div></section>
      </div>
    </section>`,
};

// The bottom: who speaks, what is being written, and everything that can be sent.
import { Extra } from "./extra.js";
import { Avatar, Icon, PeopleList } from "./parts.js";

const END = "\u2005"; // WeChat ends the name of a mention with this space
const BEFORE_CARET = /[@＠]([^\s@＠\u2005]{0,20})$/;
const TALLEST = 160;

export const emptyDraft = () => ({ text: "", mentions: [], quote: null, extra: null });

export const Composer = {
  components: { Avatar, Extra, Icon, PeopleList },
  inject: ["desk"],
  props: { chat: Object, draft: Object, speaker: Object, refused: String, sending: Boolean },
  emits: ["change", "send", "speak", "dismiss"],
  data() { return { open: "", query: "", dropping: false }; },
  computed: {
    bot() { return { id: 0, name: this.desk.bot, bot: true }; },
    mentionable() {
      const query = this.query.toLowerCase();
      const others = this.chat.people.filter((one) => one.id !== this.speaker?.id);
      return [this.bot, ...others].filter((one) => one.name.toLowerCase().includes(query));
    },
    canSend() {
      return this.desk.online && !this.sending && !!this.speaker && (this.draft.extra ? this.draft.extra.ready : !!this.draft.text.trim());
    },
  },
  watch: {
    "chat.group"() { this.open = ""; this.$nextTick(this.fit); if (this.desk.wide) this.focus(); },
    "draft.text"() { this.$nextTick(this.fit); },
    "draft.quote"(quote) { if (quote) this.focus(); },
  },
  mounted() {
    this.fit();
    this.outside = (event) => { if (!this.$el.contains(event.target)) this.open = ""; };
    document.addEventListener("pointerdown", this.outside);
  },
  unmounted() { document.removeEventListener("pointerdown", this.outside); },
  methods: {
    focus() { this.$nextTick(() => this.$refs.text?.focus()); },
    fit() {
      const area = this.$refs.text;
      if (!area) return;
      area.style.height = "auto";
      area.style.height = Math.min(area.scrollHeight, TALLEST) + "px";
    },
    change(part) { this.$emit("change", { ...this.draft, ...part }); },
    typed(event) {
      const area = event.target;
      this.change({ text: area.value });
      const found = BEFORE_CARET.exec(area.value.slice(0, area.selectionStart));
      this.query = found ? found[1] : "";
      if (found) this.open = "mention";
      else if (this.open === "mention") this.open = "";
    },
    pressed(event) {
      // 229: a key that an input method took, also where `isComposing` comes late (Safari).
      if (event.isComposing || event.keyCode === 229) return;
      if (this.open === "mention" && this.mentionable.length && this.$refs.mention?.press(event)) return;
      if (event.key === "Escape") this.open = "";
      if (event.key === "Enter" && !event.shiftKey && !event.ctrlKey && !event.altKey && !event.metaKey) {
        event.preventDefault();
        this.send();
      }
    },
    startMention() {
      const area = this.$refs.text;
      const at = area.selectionStart;
      this.change({ text: area.value.slice(0, at) + "@" + area.value.slice(at) });
      this.query = "";
      this.open = "mention";
      this.$nextTick(() => { area.focus(); area.setSelectionRange(at + 1, at + 1); });
    },
    mention(one) {
      const area = this.$refs.text;
      const before = area.value.slice(0, area.selectionStart).replace(BEFORE_CARET, "") + "@" + one.name + END;
      const mentions = one.bot ? this.draft.mentions : [...this.draft.mentions, one.id];
      this.change({ text: before + area.value.slice(area.selectionStart), mentions });
      this.open = "";
      this.$nextTick(() => { area.focus(); area.setSelectionRange(before.length, before.length); });
    },
    toggle(what) { this.open = this.open === what ? "" : what; },
    speak(one) { this.$emit("speak", one.id); this.open = ""; this.focus(); },
    add(kind) {
      this.open = "";
      if (kind === "image") this.$refs.file.click();
      else this.change({ extra: { kind, title: "", url: "", description: "", app_id: "", page_path: "", ready: false } });
    },
    async upload(file) {
      if (!file) return;
      this.$refs.file.value = "";
      const refuse = (key) => this.desk.complain(this.desk.w(key, { mb: Math.round(this.desk.mostBytes / 1048576) }));
      if (!["image/jpeg", "image/png", "image/gif", "image/webp"].includes(file.type)) return refuse("image_type");
      if (file.size > this.desk.mostBytes) return refuse("image_size");
      try {
        const answer = await (await fetch("/pictures", { method: "POST", body: file })).json();
        if (answer.refused) return refuse(answer.refused);
        this.change({ extra: { kind: "image", picture: answer.picture, name: file.name, ready: true } });
        this.focus();
      } catch {
        refuse("image_failed");
      }
    },
    pasted(event) {
      const file = [...(event.clipboardData?.files ?? [])].find((one) => one.type.startsWith("image/"));
      if (file) { event.preventDefault(); this.upload(file); }
    },
    dropped(event) { this.dropping = false; this.upload(event.dataTransfer?.files?.[0]); },
    send() { if (this.canSend) this.$emit("send"); },
  },
  template: `
    <footer class="composer" :class="{ dropping }" @dragover.prevent="dropping = true" @dragleave="dropping = false" @drop.prevent="dropped">
      <div v-if="refused" class="refused" role="alert"><Icon name="warn" /><span>{{ desk.w("not_sent", { why: refused }) }}</span>
        <button type="button" class="plain" :aria-label="desk.w('dismiss')" @click="$emit('dismiss')"><Icon name="close" /></button></div>
      <div class="tools">
        <button type="button" class="speaker" :aria-label="desk.w('speaking_as') + ' ' + (speaker?.name ?? '')" aria-haspopup="listbox"
          :aria-expanded="open === 'speaker'" @click="toggle('speaker')">
          <span class="hint">{{ desk.w("speaking_as") }}</span>
          <template v-if="speaker"><Avatar :name="speaker.name" small /><b class="one-line">{{ speaker.name }}</b></template>
          <b v-else>{{ desk.w("no_members") }}</b><Icon name="down" /></button>
        <span class="spacer"></span>
        <button type="button" class="plain" :aria-label="desk.w('mention')" :title="desk.w('mention')" @mousedown.prevent @click="startMention"><Icon name="at" /></button>
        <button type="button" class="plain" :aria-label="desk.w('more')" :title="desk.w('more')" aria-haspopup="menu" :aria-expanded="open === 'more'"
          @click="toggle('more')"><Icon name="plus" /></button>
      </div>
      <PeopleList v-if="open === 'speaker'" class="at-left" searchable :people="chat.people" :chosen="speaker?.id" :label="desk.w('speaking_as')"
        @pick="speak" @close="open = ''; focus()" />
      <PeopleList v-if="open === 'mention' && mentionable.length" ref="mention" class="at-left" :people="mentionable" :label="desk.w('mention')"
        @pick="mention" @close="open = ''" />
      <ul v-if="open === 'more'" class="popover menu at-right" role="menu" @keydown.esc="open = ''; focus()">
        <li role="none"><button type="button" role="menuitem" @click="add('image')"><Icon name="image" />{{ desk.w("send_image") }}</button></li>
        <li role="none"><button type="button" role="menuitem" @click="add('link')"><Icon name="link" />{{ desk.w("send_link") }}</button></li>
        <li role="none"><button type="button" role="menuitem" @click="add('mini_program')"><Icon name="mini" />{{ desk.w("send_mini") }}</button></li>
      </ul>
      <input ref="file" type="file" hidden accept="image/jpeg,image/png,image/gif,image/webp" @change="upload($event.target.files[0])">
      <div v-if="draft.quote" class="quoting"><span class="one-line"><b>{{ draft.quote.name }}：</b>{{ draft.quote.text }}</span>
        <button type="button" class="plain" :aria-label="desk.w('remove')" @click="change({ quote: null })"><Icon name="close" /></button></div>
      <Extra v-if="draft.extra" :extra="draft.extra" @change="change({ extra: $event })" @send="send" />
      <div v-show="!draft.extra" class="write">
        <textarea ref="text" :value="draft.text" rows="2" :placeholder="desk.wide ? desk.w('write_here') + ' · ' + desk.w('enter_sends') : desk.w('write_here')"
          :aria-label="desk.w('message_in', { group: chat.name })" @input="typed" @keydown="pressed" @paste="pasted"></textarea>
      </div>
      <button type="button" class="primary send" :disabled="!canSend" @click="send">{{ sending ? desk.w("sending") : desk.w("send") }}</button>
    </footer>`,
};

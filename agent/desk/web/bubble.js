// One message. Everything a member wrote is set as text, never as markup.
import { Avatar, Icon } from "./parts.js";

const LONG_PRESS = 500;
const MARKS = { answered: "check", silent: "quiet", escalated: "hand", refused: "block" };
const TROUBLE = ["failed", "ambiguous", "expired"];
const NAMED = ["holding", "card", "reply", "notice", "offer"];

export const Bubble = {
  components: { Avatar, Icon },
  inject: ["desk"],
  props: { row: Object, mine: Boolean, selected: Boolean, flash: Boolean, lastOfTurn: Boolean },
  emits: ["think", "quote", "whole", "grown"],
  data() { return { broken: false, noThumbnail: false }; },
  computed: {
    body() { return this.row.body; },
    mark() {
      const mark = this.row.mark;
      if (!mark || !this.lastOfTurn) return null;
      if (mark.outcome) return { icon: MARKS[mark.outcome], words: mark.words, why: mark.why, kind: mark.outcome };
      return null;
    },
    delivery() {
      const sent = this.row.sent;
      if (!sent || sent.state === "sent") return null;
      const later = sent.state === "pending" && sent.notBefore > this.desk.now + 60000;
      return {
        trouble: TROUBLE.includes(sent.state),
        words: sent.stateWords + (later ? " · " + this.desk.w("not_before", { time: this.desk.times.coming(sent.notBefore, this.desk.now) }) : ""),
        error: sent.error,
      };
    },
    kindWords() { return this.row.sent && NAMED.includes(this.row.sent.kind) ? this.row.sent.kindWords : ""; },
    label() {
      const words = this.body.text ?? this.body.title ?? this.body.name ?? "";
      return `${this.row.name}: ${words.slice(0, 120)}. ${this.desk.w("why")}`;
    },
  },
  methods: {
    clicked(event) {
      if (this.pressed) { this.pressed = false; return; }
      if (event.target.closest("a, .unfold") || String(getSelection())) return;
      this.$emit("think");
    },
    press() {
      this.pressed = false;
      this.timer = setTimeout(() => { this.pressed = true; this.$emit("quote"); }, LONG_PRESS);
    },
    release() { clearTimeout(this.timer); },
  },
  template: `
    <article class="row" :class="{ mine, bot: row.bot, selected, flash, pale: delivery && !delivery.trouble }" :data-key="row.key">
      <Avatar :name="row.name" :kind="row.bot ? 'bot' : ''" />
      <div class="said">
        <div class="who"><span class="one-line">{{ row.name }}</span>
          <span v-if="row.bot" class="tag bot">{{ desk.w("bot") }}</span>
          <span v-if="kindWords" class="tag">{{ kindWords }}</span>
          <span v-if="row.bot && row.ticket" class="tag">#{{ row.ticket }}</span>
          <time :title="desk.viewerTime(row.at)">{{ desk.times.minute.format(row.at) }}</time></div>
        <div class="bubble-line">
          <div class="bubble" :class="body.kind" tabindex="0" role="group" :aria-label="label"
            @click="clicked" @keydown.enter.self="$emit('think')" @keydown.space.self.prevent="$emit('think')"
            @touchstart.passive="press" @touchend="release" @touchmove.passive="release" @touchcancel="release">
            <template v-if="body.kind === 'text'">
              <p class="text" :class="{ opened: row.whole !== undefined }">{{ row.whole ?? body.text }}<template v-if="body.length && row.whole === undefined">…</template></p>
              <button v-if="body.length" type="button" class="unfold" :aria-expanded="row.whole !== undefined" @click.stop="$emit('whole')">
                {{ row.whole === undefined ? desk.w("unfold", { n: body.length.toLocaleString() }) : desk.w("fold") }}</button>
            </template>
            <template v-else-if="body.kind === 'image'">
              <img v-if="body.address && !broken" :src="body.address" :alt="body.name || desk.w('image')" loading="lazy"
                @error="broken = true" @load="$emit('grown')">
              <span v-else class="missing"><Icon name="image" />{{ desk.w("image_missing") }}</span>
            </template>
            <template v-else-if="body.kind === 'link' || body.kind === 'mini_program'">
              <component :is="body.url ? 'a' : 'div'" class="card" :href="body.url || undefined" target="_blank" rel="noopener noreferrer nofollow"
                :title="body.written">
                <span class="card-words"><b>{{ body.title }}</b><span v-if="body.description" class="card-text">{{ body.description }}</span></span>
                <img v-if="body.thumbnail && !noThumbnail" class="thumbnail" :src="body.thumbnail" alt="" @error="noThumbnail = true">
                <span v-else class="thumbnail"><Icon :name="body.kind === 'link' ? 'link' : 'mini'" /></span>
              </component>
              <div class="card-foot one-line"><Icon :name="body.kind === 'link' ? 'link' : 'mini'" />{{ desk.w(body.kind === "link" ? "link_card" : "mini_program") }}<span class="one-line"> · {{ body.written }}</span></div>
            </template>
            <p v-else class="text other">{{ body.text }}</p>
          </div>
          <button v-if="row.key[0] === 'm'" type="button" class="plain quote-button" :aria-label="desk.w('quote')" :title="desk.w('quote')" @click="$emit('quote')"><Icon name="quote" /></button>
        </div>
        <div v-if="row.quote" class="quoted" :title="row.quote.text"><span>{{ row.quote.name }}：</span>{{ row.quote.text }}</div>
        <button v-if="mark" type="button" class="mark" :class="mark.kind" :title="mark.why" @click="$emit('think')">
          <Icon :name="mark.icon" />{{ mark.words }}<template v-if="row.ticket"> #{{ row.ticket }}</template></button>
        <button v-if="delivery" type="button" class="mark" :class="delivery.trouble ? 'trouble' : 'open'" :title="delivery.error" @click="$emit('think')">
          <Icon :name="delivery.trouble ? 'warn' : 'clock'" />{{ delivery.words }}</button>
      </div>
    </article>`,
};

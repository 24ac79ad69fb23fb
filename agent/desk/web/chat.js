// The middle: one group's chat, from the newest message up.
import { Bubble } from "./bubble.js";
import { Avatar, Icon } from "./parts.js";
import { APART } from "./words.js";

const NEAR = 80; // pixels from an edge that count as being there

export const Chat = {
  components: { Avatar, Bubble, Icon },
  inject: ["desk"],
  props: { chat: Object, speaker: Number, selected: String },
  emits: ["older", "think", "quote", "back", "whole", "retry", "panel"],
  data() { return { atBottom: true, fresh: 0, seenUpTo: null, flash: "" }; },
  computed: {
    /** Rows and time separators in the order they are read. */
    lines() {
      const { rows, unechoed } = this.chat;
      const between = [...unechoed].sort((a, b) => a.at - b.at);
      const lines = [];
      let last = -Infinity;
      let next = 0;
      const add = (line) => {
        if (line.at - last > APART) lines.push({ time: line.at, key: "t" + line.key });
        last = line.at;
        lines.push(line);
      };
      for (const row of rows) {
        while (next < between.length && between[next].at < row.at) add(between[next++]);
        add(row);
      }
      between.slice(next).forEach(add);
      return lines;
    },
    /** Keys of the last message of every turn: what became of the turn is shown there. */
    ends() {
      return new Set(new Map(this.chat.rows.filter((row) => row.turn).map((row) => [row.turn, row.key])).values());
    },
    waiting() {
      const open = this.chat.rows.slice(-20).filter((row) => row.mark?.addressed && row.mark.state !== "done");
      return open.length ? (open.at(-1).mark.state === "claimed" ? "typing" : "waiting_end") : "";
    },
    size() { return this.chat.rows.length + this.chat.unechoed.length; },
  },
  watch: {
    "chat.group"() { this.fresh = 0; this.atBottom = true; this.down(); },
    size(now, before) {
      if (this.holding) return;
      if (this.atBottom) this.down();
      else if (now > before) this.fresh += now - before;
    },
    waiting() { if (this.atBottom) this.down(); },
  },
  mounted() { this.down(); },
  methods: {
    down() {
      this.$nextTick(() => {
        const log = this.$refs.log;
        if (log) log.scrollTop = log.scrollHeight;
        this.atBottom = true;
        this.fresh = 0;
      });
    },
    scrolled() {
      const log = this.$refs.log;
      this.atBottom = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;
      if (this.atBottom) this.fresh = 0;
      if (log.scrollTop < NEAR && this.chat.more && !this.chat.loadingOlder) this.older();
    },
    older() { this.$emit("older"); },
    /** Call it before rows come in above; what it returns, once they are drawn: nothing moves. */
    hold() {
      const log = this.$refs.log;
      const fromEnd = log.scrollHeight - log.scrollTop;
      this.holding = true;
      return () => {
        log.scrollTop = log.scrollHeight - fromEnd;
        this.holding = false;
      };
    },
    grown() { if (this.atBottom) this.down(); },
    goTo(key) {
      this.$nextTick(() => {
        const row = this.$refs.log?.querySelector(`[data-key="${CSS.escape(key)}"]`);
        if (!row) return;
        row.scrollIntoView({ block: "center" });
        this.flash = key;
        setTimeout(() => { this.flash = ""; }, 1600);
      });
    },
  },
  template: `
    <section class="chat" :aria-label="chat.name">
      <header class="chat-head">
        <button type="button" class="plain phone-only" :aria-label="desk.w('back')" @click="$emit('back')"><Icon name="back" /></button>
        <h2 class="one-line">{{ chat.name }}</h2>
        <span v-if="chat.operators" class="tag staff">{{ desk.w("operators_group") }}</span>
        <span v-if="chat.people" class="hint members-count">{{ desk.w("members_count", { n: chat.people.length + 1 }) }}</span>
        <button type="button" class="plain panel-button" :class="{ on: desk.panelOpen }" :aria-pressed="desk.panelOpen"
          :aria-label="desk.w(desk.panelOpen ? 'close_panel' : 'open_panel')" :title="desk.w(desk.panelOpen ? 'close_panel' : 'open_panel')"
          @click="$emit('panel')"><Icon name="thought" /></button>
      </header>
      <div v-if="chat.failed" class="state"><p>{{ desk.w("load_failed") }}</p><p class="hint">{{ chat.failed }}</p>
        <button type="button" class="secondary" @click="$emit('retry')">{{ desk.w("retry") }}</button></div>
      <div v-else-if="chat.gone" class="state"><p>{{ desk.w("no_such_group") }}</p><p class="hint">{{ desk.w("pick_group") }}</p></div>
      <div v-else-if="chat.loading" class="log loading" role="status" :aria-label="desk.w('loading')">
        <div v-for="n in 6" :key="n" class="ghost" :class="{ mine: n % 3 === 0 }"><i></i><b :style="{ width: 90 + (n * 67) % 190 + 'px' }"></b></div>
      </div>
      <div v-else ref="log" class="log" role="log" aria-live="polite" tabindex="0" :aria-label="chat.name" @scroll.passive="scrolled">
        <button v-if="chat.more" type="button" class="secondary older" :disabled="chat.loadingOlder" @click="older">
          <i v-if="chat.loadingOlder" class="spinner"></i>{{ chat.loadingOlder ? desk.w("loading") : desk.w("older") }}</button>
        <div v-if="!lines.length" class="state quiet"><Icon name="quote" /><p>{{ desk.w("no_messages") }}</p>
          <p class="hint">{{ desk.w("no_messages_next", { bot: desk.bot }) }}</p></div>
        <template v-for="line in lines" :key="line.key">
          <div v-if="line.time" class="time"><time :title="desk.viewerTime(line.time)">{{ desk.times.separator(line.time, desk.now, desk.w("yesterday")) }}</time></div>
          <div v-else-if="line.body.kind === 'system'" class="notice" :data-key="line.key">{{ ["joined", "left"].includes(line.body.type) ? desk.w(line.body.type, { name: line.name }) : line.body.text }}</div>
          <Bubble v-else :row="line" :mine="!line.bot && line.member === speaker" :selected="selected === line.key" :flash="flash === line.key"
            :last-of-turn="ends.has(line.key)" @think="$emit('think', line.key)" @quote="$emit('quote', line)" @whole="$emit('whole', line)" @grown="grown" />
        </template>
        <div v-if="waiting" class="row typing"><Avatar :name="desk.bot" kind="bot" />
          <span class="hint"><i class="dots"><i></i><i></i><i></i></i>{{ desk.w(waiting, { bot: desk.bot }) }}</span></div>
      </div>
      <button v-if="fresh && !atBottom" type="button" class="fresh" @click="down"><Icon name="down" />{{ desk.w("new_messages") }} {{ fresh > 99 ? "99+" : fresh }}</button>
    </section>`,
};

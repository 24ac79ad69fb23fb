// The ticket in the middle: who asks what, what was said around it, what is known, what was done.
import { Avatar, Icon } from "../parts.js";
import { DueBar } from "./list.js";
import { PRIORITY_ICONS } from "./times.js";

const WORTH_SHOWING = 0.05; // as on the card
const ENDED = ["closed", "merged", "expired"];

/** A text in the reader's own language, under the one it translates. */
const Own = {
  inject: ["desk", "inbox"],
  props: { text: String },
  template: `<span v-if="inbox.own(text)" class="in-own" :lang="desk.language">{{ inbox.own(text) }}</span>`,
};

export const TicketPane = {
  components: { Avatar, DueBar, Icon, Own },
  inject: ["desk", "inbox"],
  props: { ticket: Object, opening: Boolean, failed: String, number: Number, colleagues: Array, text: String },
  emits: ["back", "retry"],
  data() { return { tag: "", tagging: false, other: "", contexts: {} }; },
  computed: {
    ended() { return ENDED.includes(this.ticket.state); },
    mine() { return this.ticket.assigneeId === this.desk.user.id; },
    unanswered() { return ["open", "claimed", "waiting"].includes(this.ticket.state); },
    people() { return new Set(this.ticket.askers.map((one) => one.memberId)).size; },
    places() {
      const found = new Map();
      for (const one of this.ticket.askers) found.set(one.groupId, { id: one.groupId, name: one.group, askers: [...(found.get(one.groupId)?.askers ?? []), one] });
      return [...found.values()];
    },
    others() {
      const writing = this.ticket.viewers.filter((one) => one.writing).map((one) => one.name);
      const here = this.ticket.viewers.filter((one) => !one.writing).map((one) => one.name);
      return [writing.length && this.desk.w("writes", { names: writing.join("、") }), here.length && this.desk.w("here", { names: here.join("、") })].filter(Boolean);
    },
    best() { return this.ticket.passages.filter((one) => (one.title || one.text) && (one.score === null || one.score >= WORTH_SHOWING)); },
  },
  watch: { "ticket.id"() { this.contexts = {}; } },
  created() { this.priorities = Object.keys(PRIORITY_ICONS); },
  methods: {
    time(at) { return this.desk.times.separator(at, this.desk.now, this.desk.w("yesterday")); },
    percent: (share) => `${Math.round((share ?? 0) * 100)}`,
    around(one) { return one.read ? one.messages : this.contexts[one.groupId]?.messages; },
    async context({ groupId, read }, opened) {
      const { id } = this.ticket;
      if (!opened || read) return;
      const found = await this.desk.attempt("context", { id, group: groupId });
      if (found?.context && this.ticket?.id === id) this.contexts = { ...this.contexts, [groupId]: found.context };
    },
    /** Events of members name them by their row. */
    who(by) {
      const member = /^member:(\d+)$/.exec(by);
      if (!member) return by === "shequn" ? this.desk.w("the_desk") : by;
      return this.ticket.askers.find((one) => one.memberId === Number(member[1]))?.member ?? this.desk.w("a_member");
    },
    words(event) {
      const known = `event_${event.kind}`;
      const values = { ...event.more };
      if (event.kind === "prioritised" && event.more.priority) return `${this.desk.w(known)}: ${this.desk.w("priority_" + event.more.priority)}`;
      return known in this.desk.words ? this.desk.w(known, values) : event.kind;
    },
    addTag() {
      const tag = this.tag.trim();
      this.tagging = false;
      this.tag = "";
      if (tag && !this.ticket.tags.includes(tag)) this.inbox.perform("tag", { add: [tag] });
    },
    dropTag(tag) { this.inbox.perform("tag", { remove: [tag] }); },
    assign(to) {
      if (to === "") this.inbox.perform("release", {}, { words: this.desk.w("released_done", { number: this.ticket.id }) });
      else this.inbox.perform("assign", { to: Number(to) });
    },
    async split(asker) {
      const { id } = this.ticket;
      const found = await this.inbox.perform("split", { asker: asker.id });
      if (found) this.desk.tell(this.desk.w("split_done", { name: asker.member, number: found.number }), { undo: () => this.inbox.later("merge", found.number, { into: id }) });
    },
    mergeNumber() {
      const into = Number(this.other.replace(/[#＃]/, ""));
      this.other = "";
      if (into && into !== this.ticket.id) this.merge(into);
    },
    async merge(into) {
      const { id } = this.ticket;
      const { w } = this.desk;
      if (!(await this.desk.ask(w("merge_ask", { number: id, into }), { yes: w("merge_into", { number: into }) }))) return;
      this.inbox.perform("merge", { into }, { words: w("merged_done", { number: id, into }), undo: () => this.inbox.later("unmerge", id) });
    },
    async copy() {
      await navigator.clipboard?.writeText(`${location.origin}/desk/tickets/${this.ticket.id}`);
      this.desk.tell(this.desk.w("copied"));
    },
  },
  template: `
    <section v-if="!ticket" class="ticket"><div v-if="failed" class="state quiet"><Icon name="warn" /><p>{{ failed }}</p><button type="button" class="secondary" @click="$emit('retry')">{{ desk.w("retry") }}</button></div>
      <div v-else-if="opening" class="state" aria-busy="true"><i class="spinner"></i>{{ desk.w("loading") }}</div>
      <div v-else class="state quiet"><Icon name="list" /><p>{{ desk.w("pick") }}</p><p class="hint">{{ desk.w("pick_next") }}</p></div></section>
    <section v-else-if="ticket.gone" class="ticket"><div class="state quiet"><Icon name="search" /><p>{{ desk.w("gone", { number: ticket.id }) }}</p><button type="button" class="secondary" @click="$emit('back')">{{ desk.w("back") }}</button></div></section>
    <section v-else class="ticket" :aria-label="desk.w('ticket') + ' #' + ticket.id">
      <header class="ticket-head">
        <div class="line"><button type="button" class="plain phone-only" :aria-label="desk.w('back')" @click="$emit('back')"><Icon name="back" /></button>
          <h1>#{{ ticket.id }}</h1><span class="tag" :class="'is-' + ticket.state">{{ desk.w("state_" + ticket.state) }}</span><DueBar :ticket="ticket" /><span class="spacer"></span>
          <button type="button" class="plain" :aria-label="desk.w('copy_link')" :title="desk.w('copy_link')" @click="copy"><Icon name="link" /></button>
          <button v-if="unanswered && !mine && !ticket.assigneeId" type="button" class="secondary claim" @click="inbox.claim()"><Icon name="hand" />{{ desk.w("claim") }}</button>
          <button v-if="['disputed', 'partly_answered'].includes(ticket.reason)" type="button" class="secondary correct" @click="inbox.correcting = ticket.id"><Icon name="block" />{{ desk.w("correct") }}</button>
          <button v-if="!ended" type="button" class="secondary close" @click="inbox.close()"><Icon name="check" />{{ desk.w("close_ticket") }}</button>
          <button v-if="ticket.state === 'merged'" type="button" class="secondary" @click="inbox.perform('unmerge', {}, { words: desk.w('unmerged_done', { number: ticket.id }) })">{{ desk.w("unmerge") }}</button>
          <button v-else-if="!unanswered" type="button" class="secondary reopen" @click="inbox.perform('reopen', {}, { words: desk.w('reopened_done', { number: ticket.id }), undo: () => inbox.later('close', ticket.id) })"><Icon name="back" />{{ desk.w("reopen") }}</button>
          <button type="button" class="primary phone-only to-reply" @click="inbox.write_()">{{ desk.w("reply_tab") }}</button></div>
        <div class="line facts">
          <label><span>{{ desk.w("assignee") }}</span><select class="field slim assignee" :disabled="ended" :value="ticket.assigneeId ?? ''" @change="assign($event.target.value)">
            <option value="">{{ desk.w("nobody") }}</option><option v-if="ticket.assigneeId && !colleagues.some((one) => one.id === ticket.assigneeId)" :value="ticket.assigneeId">{{ ticket.assignee }}</option>
            <option v-for="one in colleagues" :key="one.id" :value="one.id">{{ one.id === desk.user.id ? one.name + " · " + desk.w("you") : one.name }}{{ one.onDuty ? "" : " · " + desk.w("duty_off") }}</option></select></label>
          <label><span>{{ desk.w("priority") }}</span><select class="field slim" :disabled="ended" :value="ticket.priority" @change="inbox.perform('prioritise', { priority: $event.target.value })">
            <option v-for="one in priorities" :key="one" :value="one">{{ desk.w("priority_" + one) }}</option></select></label>
          <span class="tags" role="group" :aria-label="desk.w('tags')"><span v-for="one in ticket.tags" :key="one" class="tag removable">{{ one }}<button type="button" :aria-label="desk.w('remove_tag', { tag: one })" @click="dropTag(one)"><Icon name="close" /></button></span>
            <button v-if="!tagging" type="button" class="tag add" @click="tagging = true; $nextTick(() => $refs.tag.focus())"><Icon name="plus" />{{ desk.w("add_tag") }}</button>
            <input v-else ref="tag" v-model="tag" class="field slim" maxlength="40" :aria-label="desk.w('add_tag')" @keydown.enter.prevent="$event.isComposing || addTag()" @keydown.esc.stop="tagging = false" @blur="addTag"></span></div>
        <p v-if="others.length" class="others" role="status"><Icon name="eye" />{{ others.join(" · ") }}</p>
      </header>
      <div class="ticket-body" tabindex="0" :aria-label="desk.w('ticket') + ' #' + ticket.id">
        <p v-if="ticket.mergedInto" class="told">{{ desk.w("is_merged", { into: ticket.mergedInto }) }} <a :href="inbox.address(ticket.mergedInto)" @click.exact.prevent="inbox.open(ticket.mergedInto)">#{{ ticket.mergedInto }}</a></p>
        <section class="block"><h2>{{ desk.w("question") }}</h2><blockquote class="the-question">{{ ticket.question }}<Own :text="ticket.question" /></blockquote></section>
        <section v-if="ticket.answer" class="block answered"><h2>{{ desk.w("answered_by", { name: ticket.answeredBy }) }} · <time :title="desk.viewerTime(ticket.answeredAt)">{{ time(ticket.answeredAt) }}</time></h2>
          <blockquote class="the-answer">{{ ticket.answer }}</blockquote>
          <p class="line"><span v-if="ticket.entry" class="tag answered"><Icon name="book" />{{ desk.w("in_knowledge") }}</span><button v-else type="button" class="secondary learn" @click="inbox.learn()"><Icon name="book" />{{ desk.w("learn") }}</button></p></section>
        <section class="block"><h2>{{ desk.w("who_asked") }}<template v-if="people > 1"> · {{ desk.w("askers", { n: people }) }}</template></h2>
          <div v-for="place in places" :key="place.id" class="place"><h3>{{ place.name }}</h3>
            <ul class="askers"><li v-for="one in place.askers" :key="one.id"><Avatar :name="one.member" small /><span class="asker"><span class="line"><b class="one-line">{{ one.member }}</b>
              <span v-if="!one.present" class="tag warned"><Icon name="warn" />{{ desk.w("left_group") }}</span>
              <span class="hint nowrap">{{ desk.w("joined_" + one.joined) }}<template v-if="['similar', 'reworded'].includes(one.joined)"> · {{ desk.w("similarity", { n: percent(one.similarity) }) }}</template></span>
              <time class="hint nowrap" :title="desk.viewerTime(one.at)">{{ time(one.at) }}</time></span><span v-if="one.question !== ticket.question" class="asked-words">{{ one.question }}<Own :text="one.question" /></span></span>
              <button v-if="unanswered && people > 1" type="button" class="secondary small split" :title="desk.w('split_hint', { name: one.member })" @click="split(one)"><Icon name="split" />{{ desk.w("split_off") }}</button></li></ul></div></section>
        <section class="block"><h2>{{ desk.w("context") }}</h2>
          <details v-for="(one, index) in ticket.conversations" :key="one.groupId" class="around" :open="index === 0" @toggle="context(one, $event.target.open)"><summary>{{ one.group }}</summary>
            <div v-if="!around(one)" class="hint" aria-busy="true">{{ desk.w("loading") }}</div><ol v-else-if="around(one).length"><li v-for="said in around(one)" :key="said.id" :class="{ own: said.own, asked: said.asked }"><b class="sender">{{ said.sender }}</b><time class="hint" :title="desk.viewerTime(said.at)">{{ time(said.at) }}</time>
              <span v-if="said.asked" class="tag open">{{ desk.w("asked_here") }}</span><span class="said-text">{{ said.text }}<Own :text="said.text" /></span></li></ol><p v-else class="hint">{{ desk.w("no_context") }}</p></details></section>
        <section class="block"><h2>{{ desk.w("nearest") }}</h2><p class="why"><Icon name="thought" /><span><b>{{ desk.w("why_not") }}:</b> {{ desk.w("reason_" + ticket.reason) }} <template v-if="ticket.detail">{{ ticket.detail }}</template></span></p>
          <ul v-if="best.length" class="passages"><li v-for="(one, index) in best" :key="index"><div class="line"><b class="passage-title">{{ one.title || one.text.slice(0, 60) }}</b><span class="spacer"></span><b v-if="one.score !== null" class="score">{{ one.score.toFixed(2) }}</b></div>
            <span v-if="one.score !== null" class="bar" aria-hidden="true"><i :style="{ width: percent(one.score) + '%' }"></i></span><p class="passage-text">{{ one.text }}</p><Own :text="one.title" /><Own :text="one.text" />
            <div class="line hint"><span class="one-line">{{ one.source }}</span><span v-if="one.lexical !== null" class="nowrap">{{ desk.w("lexical") }} {{ one.lexical.toFixed(2) }}</span><span v-if="one.dense !== null" class="nowrap">{{ desk.w("dense") }} {{ one.dense.toFixed(2) }}</span>
              <span class="spacer"></span><button v-if="!ended" type="button" class="secondary small" @click="inbox.use(one.text)">{{ desk.w("use_passage") }}</button></div></li></ul><p v-else class="hint">{{ desk.w("no_passages") }}</p></section>
        <section class="block"><h2>{{ desk.w("similar") }}</h2><ul v-if="ticket.similar.length" class="similars"><li v-for="one in ticket.similar" :key="one.id"><div class="line"><a :href="inbox.address(one.id)" @click.exact.prevent="inbox.open(one.id)">#{{ one.id }}</a><span class="tag" :class="'is-' + one.state">{{ desk.w("state_" + one.state) }}</span><span class="hint">{{ desk.w("similarity", { n: percent(one.similarity) }) }}</span></div>
            <p>{{ one.question }}<Own :text="one.question" /></p><p v-if="one.answer" class="passage-text">{{ one.answer }}</p><Own v-if="one.answer" :text="one.answer" />
            <div class="line"><button v-if="one.answer && !ended" type="button" class="secondary small use-answer" @click="inbox.useAnswer(one.id)">{{ desk.w("use_answer") }}</button>
              <button v-if="unanswered && ['open', 'claimed', 'waiting'].includes(one.state)" type="button" class="secondary small merge" @click="merge(one.id)">{{ desk.w("merge_into", { number: one.id }) }}</button></div></li></ul><p v-else class="hint">{{ desk.w("no_similar") }}</p>
          <form v-if="unanswered" class="line merge-number" @submit.prevent="mergeNumber"><input class="field" v-model.trim="other" inputmode="numeric" maxlength="10" :placeholder="desk.w('merge_number')" :aria-label="desk.w('merge_number')">
            <button class="secondary small" :disabled="!/^[#＃]?[0-9]+$/.test(other)">{{ desk.w("merge") }}</button></form></section>
        <section class="block"><h2>{{ desk.w("sends") }}</h2><ul v-if="ticket.deliveries.length" class="sends"><li v-for="one in ticket.deliveries" :key="one.id"><div class="line"><b>{{ desk.w("kind_" + one.kind) }}</b><span class="tag" :class="'sent-' + one.state">{{ desk.w("delivery_" + one.state) }}</span><time class="hint" :title="desk.viewerTime(one.at)">{{ time(one.at) }}</time></div><p class="passage-text">{{ one.text }}</p><p v-if="one.error" class="error">{{ one.error }}</p></li></ul><p v-else class="hint">{{ desk.w("no_sends") }}</p></section>
        <section class="block"><h2>{{ desk.w("history") }}</h2><ol class="history"><li v-for="one in ticket.events" :key="one.id" :class="one.kind"><time class="hint" :title="desk.viewerTime(one.at)">{{ time(one.at) }}</time><span><b>{{ who(one.by) }}</b> {{ words(one) }}<q v-if="one.more.text && one.kind !== 'answered'">{{ one.more.text }}<Own :text="one.more.text" /></q></span></li></ol></section>
      </div>
    </section>`,
};

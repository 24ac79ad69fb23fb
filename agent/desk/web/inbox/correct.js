// A wrong answer of the bot: who got it, what they read instead, what becomes of the entry.
import { Icon } from "../parts.js";

export const Correct = {
  components: { Icon },
  inject: ["desk", "inbox"],
  props: { number: Number },
  emits: ["close"],
  data() { return { found: null, failed: "", text: "", entries: "keep", chosen: [], sending: false, refused: "" }; },
  computed: {
    places() {
      const found = new Map();
      for (const one of this.found.others) found.set(one.groupId, { id: one.groupId, name: one.group, answers: [...(found.get(one.groupId)?.answers ?? []), one] });
      return [...found.values()].map((place) => ({ ...place, standing: place.answers.filter((one) => !one.gone) }));
    },
    also() { return this.places.filter((one) => this.chosen.includes(one.id)).flatMap((one) => one.standing.map((answer) => answer.turn)); },
    groups() { return new Set([this.found.answer.groupId, ...this.chosen]).size; },
    reads() { return this.found.reads.replace("{correction}", () => this.text.trim() || "…"); },
    kept() { return `shequn.correction.${this.desk.user.id}.${this.number}`; },
  },
  watch: { text(text) { this.request = null; try { if (text) localStorage.setItem(this.kept, text); else localStorage.removeItem(this.kept); } catch { /* private browsing */ } } },
  mounted() {
    this.before = document.activeElement;
    try { this.text = localStorage.getItem(this.kept) ?? ""; } catch { /* private browsing */ }
    this.$refs.close.focus();
    this.load();
  },
  unmounted() { this.before?.focus?.(); },
  methods: {
    async load() {
      this.failed = "";
      try { this.found = await this.desk.act("bot_answer", { id: this.number }); } catch (trouble) { this.failed = trouble.words; }
      this.$nextTick(() => this.$refs.text?.focus());
    },
    time(at) { return this.desk.times.separator(at, this.desk.now, this.desk.w("yesterday")); },
    async send() {
      if (this.sending || this.found.answer.gone) return;
      this.sending = true;
      this.refused = "";
      this.request ??= Math.random().toString(36).slice(2) + Date.now().toString(36); // a repeated click is the same wish
      try {
        const done = await this.desk.act("withdraw", { turn: this.found.answer.turn, text: this.text, also: this.also, entries: this.entries, request: this.request });
        this.inbox.receive(done);
        this.say(done.withdrawn);
        this.text = "";
        this.$emit("close");
      } catch (trouble) { this.refused = trouble.words; }
      this.sending = false;
    },
    say({ groups, people, unsent, unreachable, still }) {
      const { w } = this.desk;
      const words = [groups.length || !unsent ? w("correct_done", { people, n: groups.length }) : w("correct_unread")];
      if (unreachable.length) words.push(w("correct_unreachable", { names: unreachable.join("、") }));
      if (still.length) words.push(w("correct_still"));
      this.desk.tell(words.join(" "));
    },
  },
  template: `
    <div class="dialog-veil" @pointerdown.self="$emit('close')">
      <form class="dialog wide correction" role="dialog" aria-modal="true" :aria-label="desk.w('correct_title')" @keydown.tab="desk.trap" @submit.prevent="send">
        <header class="line"><h2>{{ desk.w("correct_title") }}</h2><span class="spacer"></span><button type="button" ref="close" class="plain" :aria-label="desk.w('close')" @click="$emit('close')"><Icon name="close" /></button></header>
        <div v-if="failed" class="state quiet"><Icon name="warn" /><p>{{ failed }}</p><button type="button" class="secondary" @click="load">{{ desk.w("retry") }}</button></div>
        <div v-else-if="!found" class="state"><i class="spinner"></i>{{ desk.w("loading") }}</div>
        <template v-else>
          <section><h3>{{ desk.w("correct_was", { group: found.answer.group, time: time(found.answer.at) }) }}</h3>
            <p class="hint">{{ found.answer.members.join("、") }} · {{ found.answer.question }}</p><blockquote class="wrong-answer">{{ found.answer.answer }}</blockquote>
            <p v-if="found.answer.gone" class="told"><Icon name="check" />{{ desk.w("correct_gone") }}</p></section>
          <template v-if="!found.answer.gone">
            <label class="stacked"><span>{{ desk.w("correct_here") }}</span><textarea ref="text" v-model="text" class="field" rows="3" name="correction" :disabled="sending"></textarea></label>
            <section><h3>{{ desk.w("correct_to") }}</h3><p class="bubble-preview">{{ reads }}</p></section>
            <fieldset><legend>{{ desk.w(places.length ? "correct_others" : "correct_nobody") }}</legend>
              <div v-for="one in places" :key="one.id" class="affected"><label class="line"><input v-model="chosen" type="checkbox" :value="one.id" :disabled="!one.standing.length || sending"><span>{{ desk.w("correct_group", { group: one.name, n: one.answers.length }) }}</span></label>
                <ul><li v-for="answer in one.answers" :key="answer.turn" class="hint"><b>{{ answer.members.join("、") }}</b> {{ answer.question }} <span v-if="answer.gone" class="tag">{{ desk.w("correct_gone") }}</span></li></ul></div></fieldset>
            <fieldset v-if="found.answer.entries.length"><legend>{{ desk.w("correct_entry") }} <a v-for="one in found.answer.entries" :key="one" href="/desk/knowledge">#{{ one }}</a></legend>
              <label v-for="one in ['keep', 'retire', 'edit']" :key="one" class="line"><input v-model="entries" type="radio" name="entries" :value="one" :disabled="sending"><span>{{ desk.w("entry_" + one) }}</span></label></fieldset>
            <p v-if="refused" class="told bad" role="alert"><Icon name="warn" />{{ refused }}</p>
            <div class="dialog-foot"><button type="button" class="secondary" @click="$emit('close')">{{ desk.w("cancel") }}</button>
              <button type="submit" class="primary danger withdraw" :disabled="sending || !text.trim()">{{ desk.w("correct_send", { n: groups }) }}</button></div></template>
        </template>
      </form></div>`,
};

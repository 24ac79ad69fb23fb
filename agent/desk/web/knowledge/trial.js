// A question on trial: the whole decision, for a chosen group; nothing is sent.
import { Icon } from "../parts.js";

export const Trial = {
  components: { Icon },
  inject: ["desk"],
  props: { groups: Array },
  data() { return { question: "", group: this.groups[0] ?? "", tried: null, asking: false, failed: "" }; },
  mounted() { this.$refs.question.focus(); },
  methods: {
    async ask() {
      if (!this.question.trim()) return;
      this.asking = true;
      this.failed = "";
      try { this.tried = await this.desk.act("try", { question: this.question, group: this.group }); } catch (trouble) { this.failed = trouble.words; }
      this.asking = false;
    },
  },
  template: `
    <div class="trial">
      <form class="knowledge-filters" @submit.prevent="ask"><input ref="question" v-model="question" class="field" name="question" :placeholder="desk.w('question')" :aria-label="desk.w('question')">
        <select v-model="group" class="field" :aria-label="desk.w('ask_in')"><option v-for="one in groups" :key="one">{{ one }}</option></select>
        <button class="primary" :disabled="asking || !question.trim()">{{ desk.w(asking ? "asking" : "ask") }}</button></form>
      <p v-if="failed" class="told bad" role="alert"><Icon name="warn" />{{ failed }}</p>
      <section v-if="tried" class="tried" aria-live="polite">
        <p class="line"><span class="tag" :class="tried.outcome === 'answered' ? 'answered' : 'open'">{{ desk.w("outcome_" + tried.outcome) }}</span><span>{{ desk.w("reason_" + tried.reason) }}</span><span v-if="tried.confidence !== null" class="hint">{{ desk.w("confidence", { n: tried.confidence.toFixed(2) }) }}</span><span v-if="tried.byModel" class="hint">{{ desk.w("by_model", { model: tried.model }) }}</span></p>
        <p v-if="tried.why" class="hint">{{ tried.why }}</p>
        <template v-if="tried.reply"><h3>{{ desk.w("would_say") }}</h3><div class="preview-bubble words">{{ tried.reply }}</div></template>
        <p v-else class="hint">{{ desk.w(tried.outcome === "silent" ? "would_be_silent" : "would_not_say") }}</p>
        <p v-if="tried.left.length" class="hint">{{ desk.w("left_open", { questions: tried.left.join("、") }) }}</p>
        <template v-if="tried.passages.length"><h3>{{ desk.w("passages") }}</h3>
          <ol class="passages"><li v-for="one in tried.passages" :key="one.entry_id"><span class="line"><b class="one-line">{{ one.question || one.title }}</b><span v-if="one.cited" class="tag answered">{{ desk.w("cited") }}</span><span class="hint">{{ one.score.toFixed(2) }} · #{{ one.entry_id }} · {{ one.source }}</span></span><p class="words">{{ one.text }}</p></li></ol></template>
      </section>
    </div>`,
};

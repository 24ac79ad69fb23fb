// What members ask and nobody knows, asked most first.
import { Icon } from "../parts.js";

const SIGN = { more: "up", fewer: "down", as_many: "quiet" };

export const Gaps = {
  components: { Icon },
  inject: ["desk", "knowledge"],
  data() { return { gaps: null, failed: "" }; },
  created() { this.SIGN = SIGN; this.load(); },
  methods: {
    async load() {
      this.failed = "";
      try { this.gaps = (await this.desk.act("gaps")).gaps; } catch (trouble) { this.failed = trouble.words; }
    },
    reload() { this.load(); },
    height(gap, asks) { return `${Math.round((asks / Math.max(...gap.weeks, 1)) * 100)}%`; },
    write(gap) { this.knowledge.write({ question: gap.question, answer: gap.answer, scopes: [{ kind: "all", names: [] }] }); },
  },
  template: `
    <div class="gaps">
      <p class="hint">{{ desk.w("gaps_mean") }}</p>
      <div v-if="failed" class="state quiet"><Icon name="warn" /><p>{{ failed }}</p><button type="button" class="secondary" @click="load()">{{ desk.w("again") }}</button></div>
      <div v-else-if="!gaps" class="state"><i class="spinner"></i>{{ desk.w("loading") }}</div>
      <div v-else-if="!gaps.length" class="state quiet"><Icon name="check" /><p>{{ desk.w("no_gaps") }}</p><p class="hint">{{ desk.w("no_gaps_next") }}</p></div>
      <article v-for="gap in gaps ?? []" :key="gap.key" class="gap" :aria-label="gap.question">
        <div class="line"><h2 class="one-line">{{ gap.question }}</h2><span class="spacer"></span><span class="tag open">{{ desk.w("asks", { n: gap.asks }) }}</span><span class="tag"><Icon :name="SIGN[gap.trend]" />{{ desk.w(gap.trend + "_asks") }}</span></div>
        <div class="weeks" role="img" :aria-label="desk.w('by_week', { counts: gap.weeks.join(', ') })" :title="desk.w('by_week', { counts: gap.weeks.join(', ') })"><i v-for="(asks, index) in gap.weeks" :key="index" :style="{ height: height(gap, asks) }"></i></div>
        <p class="hint">{{ desk.w("in_groups", { groups: gap.groups.map((one) => one.name + " " + one.asks).join("、") }) }}<template v-for="number in gap.tickets.slice(-3)" :key="number"> · <a :href="'/desk/tickets/' + number">#{{ number }}</a></template></p>
        <details v-if="gap.examples.length > 1"><summary>{{ desk.w("also_asked") }}</summary><ul><li v-for="one in gap.examples" :key="one" class="words">{{ one }}</li></ul></details>
        <blockquote v-if="gap.answer"><p class="hint">{{ desk.w("was_answered", { n: gap.answeredIn }) }}</p><p class="words">{{ gap.answer }}</p></blockquote>
        <div class="line acts"><button type="button" class="secondary write" @click="write(gap)"><Icon name="pen" />{{ desk.w("write_answer") }}</button></div>
      </article>
    </div>`,
};

// The right: everything that led to what became of one message.
import { Icon } from "./parts.js";

const MARKS = { answered: "check", silent: "quiet", escalated: "hand", refused: "block" };
const TROUBLE = ["failed", "ambiguous", "expired"];

export const Thought = {
  components: { Icon },
  inject: ["desk"],
  props: { selected: String, thought: Object },
  emits: ["close", "go"],
  computed: {
    icon() { return MARKS[this.thought.outcome] ?? "clock"; },
    loading() { return this.selected && this.thought?.key !== this.selected; },
    times() {
      const { waited, answering, model } = this.thought;
      return [["waited", waited], ["answered_in", answering], ["model_seconds", model?.seconds]].filter(([, value]) => value !== null && value !== undefined);
    },
  },
  methods: {
    seconds(value) {
      if (value < 0.9995) return this.desk.w("milliseconds", { n: (value * 1000).toFixed(value < 0.01 ? 1 : 0) });
      return this.desk.w("seconds", { n: value < 10 ? value.toFixed(2) : value.toFixed(0) });
    },
    percent: (value) => Math.round(Math.max(0, Math.min(1, value)) * 100),
    trouble: (state) => TROUBLE.includes(state),
    when(at) { return this.desk.times.separator(at, this.desk.now, this.desk.w("yesterday")); },
  },
  template: `
    <aside class="thought" :aria-label="desk.w('why')">
      <header><Icon name="thought" /><h2>{{ desk.w("why") }}</h2>
        <button type="button" class="plain" :aria-label="desk.w('close_panel')" :title="desk.w('close_panel')" @click="$emit('close')"><Icon name="close" /></button></header>
      <div v-if="!selected" class="state quiet"><Icon name="thought" /><p>{{ desk.w("thought_empty") }}</p></div>
      <div v-else-if="loading" class="state" role="status"><i class="spinner"></i>{{ desk.w("loading") }}</div>
      <div v-else-if="thought.gone" class="state"><p>{{ desk.w("thought_gone") }}</p></div>
      <div v-else class="thought-body">
        <blockquote>{{ thought.text }}</blockquote>
        <section v-if="thought.state">
          <h3>{{ desk.w("decision") }}</h3>
          <div v-if="thought.outcome" class="verdict" :class="thought.outcome"><Icon :name="icon" /><div><b>{{ thought.outcomeWords }}</b>
            <p>{{ thought.reasonWords }}</p><code>{{ thought.outcome }} · {{ thought.reason }}</code></div></div>
          <div v-else class="verdict"><i class="spinner"></i><div><b>{{ desk.w("undecided") }}</b><p>{{ desk.w(thought.state === "claimed" ? "thinking" : "waiting_end") }}</p></div></div>
          <dl>
            <template v-if="thought.question"><dt>{{ desk.w("question") }}</dt><dd>{{ thought.question }}</dd></template>
            <template v-if="thought.confidence !== null"><dt>{{ desk.w("confidence") }}</dt>
              <dd><span class="bar"><i :style="{ width: percent(thought.confidence) + '%' }"></i></span>{{ percent(thought.confidence) }}%</dd></template>
          </dl>
        </section>
        <section v-else-if="thought.bot"><p class="hint">{{ desk.w("own_words") }}</p></section>
        <section v-if="thought.outcome">
          <h3>{{ desk.w("passages") }}</h3>
          <p v-if="!thought.passages.length" class="hint">{{ desk.w("no_passages") }}</p>
          <details v-for="(passage, index) in thought.passages" :key="index" class="passage" :open="index === 0">
            <summary><span class="one-line">{{ passage.title || passage.source }}</span><b v-if="passage.score !== null">{{ passage.score.toFixed(2) }}</b></summary>
            <span v-if="passage.score !== null" class="bar"><i :style="{ width: percent(passage.score) + '%' }"></i></span>
            <p>{{ passage.text }}</p>
            <p class="hint"><template v-if="passage.lexical !== null">{{ desk.w("lexical") }} {{ passage.lexical.toFixed(2) }}</template>
              <template v-if="passage.dense !== null"> · {{ desk.w("dense") }} {{ passage.dense.toFixed(2) }}</template>
              <template v-if="passage.source"> · {{ passage.source }}</template></p>
          </details>
        </section>
        <section v-if="thought.outcome">
          <h3>{{ desk.w("model_call") }}</h3>
          <p v-if="!thought.model" class="hint">{{ desk.w("no_model_call") }}</p>
          <dl v-else><dt>{{ desk.w("model_seconds") }}</dt><dd>{{ thought.model.model }}</dd>
            <template v-if="thought.model.input_tokens !== undefined"><dt>{{ desk.w("token_words") }}</dt>
              <dd>{{ desk.w("tokens", { input: thought.model.input_tokens, output: thought.model.output_tokens }) }}</dd></template>
            <template v-if="thought.model.attempts"><dt>{{ desk.w("attempts") }}</dt><dd>{{ thought.model.attempts }}</dd></template></dl>
        </section>
        <section v-if="times.length">
          <h3>{{ desk.w("took") }}</h3>
          <dl><template v-for="[key, value] in times" :key="key"><dt>{{ desk.w(key) }}</dt><dd>{{ seconds(value) }}</dd></template></dl>
        </section>
        <section v-if="thought.ticket">
          <h3>{{ desk.w("ticket") }} #{{ thought.ticket.id }} <span class="tag" :class="thought.ticket.state">{{ thought.ticket.stateWords }}</span></h3>
          <dl><dt>{{ desk.w("opened_at") }}</dt><dd :title="desk.viewerTime(thought.ticket.openedAt)">{{ when(thought.ticket.openedAt) }}</dd>
            <dt>{{ desk.w("asked_by") }}</dt><dd><div v-for="asker in thought.ticket.askers" :key="asker">{{ asker }}</div></dd>
            <template v-if="thought.ticket.answer"><dt>{{ desk.w("replied_by") }}</dt><dd>{{ thought.ticket.answeredBy }}<p>{{ thought.ticket.answer }}</p></dd></template></dl>
        </section>
        <section v-if="thought.outcome || thought.steps.length">
          <h3>{{ desk.w("sends") }}</h3>
          <p v-if="!thought.steps.length" class="hint">{{ desk.w("no_sends") }}</p>
          <ol class="steps"><li v-for="step in thought.steps" :key="step.id">
            <button type="button" :title="desk.w('go_there')" @click="$emit('go', step)">
              <span class="line"><b>{{ step.kindWords }}</b><span class="one-line hint">{{ step.groupName }}</span><Icon name="go" /></span>
              <span class="one-line">{{ step.text }}</span>
              <span class="line hint"><span class="send-state" :class="trouble(step.state) ? 'trouble' : step.state">
                <Icon :name="trouble(step.state) ? 'warn' : step.state === 'sent' ? 'check' : 'clock'" />{{ step.stateWords }}</span>
                <time :title="desk.viewerTime(step.at)">{{ when(step.at) }}</time>
                <span v-if="step.attempts > 1">{{ desk.w("tries", { n: step.attempts }) }}</span><span class="spacer"></span>#{{ step.id }}</span>
              <span v-if="step.error" class="error">{{ step.error }}</span>
            </button></li></ol>
        </section>
      </div>
    </aside>`,
};

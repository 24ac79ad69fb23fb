// Drafts that wait: what is doubtful about each, what it has to live with, and who approves it.
import { Icon } from "../parts.js";

const NEVER = ["no_words", "too_long"];

export const Drafts = {
  components: { Icon },
  inject: ["desk", "knowledge"],
  data() { return { found: null, failed: "", busy: 0 }; },
  created() { this.load(); },
  methods: {
    async load(offset = 0) {
      this.failed = "";
      try { this.found = await this.desk.act("drafts", { offset }); } catch (trouble) { this.failed = trouble.words; }
    },
    reload() { this.load(this.found?.offset ?? 0); },
    held(draft) { return /<[A-Z][A-Z_]*_\d+>/.test(draft.question + draft.answer) || draft.flags.some((one) => NEVER.includes(one.code)); },
    personal(draft) { return draft.flags.some((one) => ["personal", "mention"].includes(one.code)); },
    async approve(draft) {
      this.busy = draft.id;
      if (await this.desk.attempt("approve", { id: draft.id, confirmed: this.personal(draft) })) {
        this.desk.tell(this.desk.w("approved"));
        await this.load(this.found.offset);
      }
      this.busy = 0;
    },
    edit(draft) { this.knowledge.write({ ...draft, draft: draft.id }); },
    async discard(draft) {
      const sure = await this.desk.ask(draft.question, { title: this.desk.w("discard_sure"), yes: this.desk.w("discard"), danger: true });
      if (sure && (await this.desk.attempt("discard", { id: draft.id }))) { this.desk.tell(this.desk.w("discarded")); this.load(this.found.offset); }
    },
  },
  template: `
    <div class="drafts">
      <div v-if="failed" class="state quiet"><Icon name="warn" /><p>{{ failed }}</p><button type="button" class="secondary" @click="load()">{{ desk.w("again") }}</button></div>
      <div v-else-if="!found" class="state"><i class="spinner"></i>{{ desk.w("loading") }}</div>
      <div v-else-if="!found.drafts.length" class="state quiet"><Icon name="check" /><p>{{ desk.w("no_drafts") }}</p><p class="hint">{{ desk.w("no_drafts_next") }}</p></div>
      <article v-for="draft in found?.drafts ?? []" :key="draft.id" class="draft" :aria-label="draft.question">
        <h2>{{ draft.question }}</h2><p class="words">{{ draft.answer }}</p>
        <p class="line hint"><a v-if="draft.ticket" :href="'/desk/tickets/' + draft.ticket">{{ desk.w("from_ticket", { n: draft.ticket }) }}</a><span v-if="draft.peer" class="tag open">{{ desk.w("from_peer") }}</span><span>{{ knowledge.scopes(draft.scopes) }}</span><span>{{ knowledge.validity(draft) }}</span></p>
        <ul v-if="draft.flags.length" class="flags"><li v-for="(flag, index) in draft.flags" :key="index"><Icon name="warn" /><b>{{ desk.w("flag_where_" + flag.where) }}</b> {{ desk.w("flag_" + flag.code, { words: flag.words }) }}</li></ul>
        <details v-if="draft.original.question" class="original"><summary>{{ desk.w("as_asked") }}</summary><p class="words">{{ draft.original.question }}</p><p class="words">{{ draft.original.answer }}</p></details>
        <h3>{{ desk.w("beside_it") }}</h3><p v-if="!draft.rivals.length" class="hint">{{ desk.w("nothing_beside") }}</p>
        <ul v-else class="rivals"><li v-for="one in draft.rivals" :key="one.id" :class="one.clash"><span class="line"><span class="tag" :class="{ open: one.clash !== 'similar' }">{{ desk.w("clash_" + one.clash) }}</span><b class="one-line">{{ one.title }}</b><span class="hint">#{{ one.id }} · {{ one.source }}</span></span><p class="words">{{ one.text }}</p><p v-if="one.numbers.length" class="hint">{{ desk.w("differs_in", { numbers: one.numbers.join("、") }) }}</p></li></ul>
        <div class="line acts"><button v-if="knowledge.mayApprove" type="button" class="primary approve" :disabled="held(draft) || busy === draft.id" @click="approve(draft)">{{ desk.w(personal(draft) && !held(draft) ? "approve_anyway" : "approve") }}</button><span v-else class="hint">{{ desk.w("needs_approval") }}</span>
          <button type="button" class="secondary edit" @click="edit(draft)"><Icon name="pen" />{{ desk.w("edit") }}</button><button type="button" class="secondary discard" @click="discard(draft)">{{ desk.w("discard") }}</button></div>
      </article>
      <nav v-if="found && found.total > found.size" class="pager"><button type="button" class="secondary previous" :disabled="!found.offset" @click="load(found.offset - found.size)">{{ desk.w("previous") }}</button><button type="button" class="secondary next" :disabled="found.offset + found.size >= found.total" @click="load(found.offset + found.size)">{{ desk.w("next") }}</button></nav>
    </div>`,
};

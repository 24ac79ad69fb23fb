// What is known, a page at a time, in the order that is asked for; an entry opens to its history.
import { Icon } from "../parts.js";

const SHOWS = ["live", "stale", "expiring", "expired", "clashing", "retired"];
const ORDERS = ["newest", "most_used", "least_used", "last_used", "ending"];

export const Entries = {
  components: { Icon },
  inject: ["desk", "knowledge"],
  props: { sources: Array, counts: Object },
  data() { return { wanted: { show: "live", order: "newest", q: "", source: "" }, found: null, failed: "", open: null, loading: false }; },
  computed: {
    rows() { return this.found?.rows ?? []; },
    last() { return Math.min(this.found.offset + this.found.size, this.found.total); },
    narrowed() { const { show, q, source } = this.wanted; return show !== "live" || q || source; },
  },
  created() { this.SHOWS = SHOWS; this.ORDERS = ORDERS; this.load(); },
  methods: {
    async load(offset = 0) {
      const asked = (this.asked = (this.asked ?? 0) + 1);
      this.loading = true;
      this.failed = "";
      try {
        const found = await this.desk.act("entries", { ...this.wanted, offset });
        if (asked === this.asked) this.found = found;
      } catch (trouble) { this.failed = trouble.words; }
      if (asked === this.asked) this.loading = false;
    },
    reload() { this.load(this.found?.offset ?? 0); if (this.open) this.show(this.open.id, true); },
    replaced(id) { this.open = null; this.load(this.found?.offset ?? 0); this.show(id, true); },
    type() { clearTimeout(this.typing); this.typing = setTimeout(() => this.load(), 250); },
    async show(id, again = false) {
      if (!again && this.open?.id === id) { this.open = null; return; }
      try { this.open = await this.desk.act("entry", { id }); } catch (trouble) { this.open = null; if (!again) this.desk.complain(trouble); }
    },
    edit({ id, question, text, scope, from, to, fromFile }) { this.knowledge.write({ entry: id, question, answer: text, scopes: [scope], from, to, fromFile }); },
    async retire({ id }) {
      if (!(await this.desk.attempt("retire", { id }))) return;
      this.open = null;
      this.load(this.found.offset);
      this.desk.tell(this.desk.w("retired"), { undo: async () => { if (await this.desk.attempt("restore", { id })) this.load(this.found.offset); } });
    },
    uses({ times, lastUsed }) {
      if (!times) return this.desk.w("never_used");
      return `${this.desk.w("used", { n: times })} · ${this.desk.w("last_used", { day: new Date(lastUsed).toLocaleDateString(this.desk.language, { timeZone: this.desk.times.zone }) })}`;
    },
  },
  template: `
    <div class="entries">
      <form class="knowledge-filters" role="search" @submit.prevent="load()">
        <input v-model="wanted.q" class="field" type="search" :placeholder="desk.w('search')" :aria-label="desk.w('search')" @input="type">
        <select v-model="wanted.show" class="field" :aria-label="desk.w('show')" @change="load()"><option v-for="one in SHOWS" :key="one" :value="one">{{ desk.w("show_" + one) }}</option></select>
        <select v-model="wanted.order" class="field" :aria-label="desk.w('order')" @change="load()"><option v-for="one in ORDERS" :key="one" :value="one">{{ desk.w("order_" + one) }}</option></select>
        <select v-model="wanted.source" class="field" :aria-label="desk.w('source')" @change="load()"><option value="">{{ desk.w("all_sources") }}</option><option v-for="one in sources" :key="one.name" :value="one.name">{{ one.name }} ({{ one.entries }})</option></select>
      </form>
      <p v-if="wanted.show === 'stale'" class="hint">{{ desk.w("stale_means") }}</p>
      <div v-if="failed" class="state quiet"><Icon name="warn" /><p>{{ failed }}</p><button type="button" class="secondary" @click="load()">{{ desk.w("again") }}</button></div>
      <div v-else-if="!found" class="state"><i class="spinner"></i>{{ desk.w("loading") }}</div>
      <div v-else-if="!rows.length" class="state quiet"><Icon name="book" /><p>{{ desk.w(narrowed ? "nothing_matches" : "no_entries") }}</p><p v-if="!narrowed" class="hint">{{ desk.w("no_entries_next") }}</p></div>
      <ul v-else class="entry-list" :aria-busy="loading">
        <li v-for="row in rows" :key="row.id" class="entry" :class="{ open: open?.id === row.id }">
          <button type="button" class="entry-row" :aria-expanded="open?.id === row.id" @click="show(row.id)">
            <span class="line"><b class="one-line">{{ row.title }}</b><span v-if="row.state !== 'live'" class="tag open">{{ desk.w("state_" + row.state) }}</span></span>
            <span class="entry-text">{{ row.text }}</span>
            <span class="line hint"><span class="number">#{{ row.id }}</span><span>{{ uses(row) }}</span><span>{{ knowledge.scope(row.scope) }}</span><span>{{ knowledge.validity(row) }}</span><span class="one-line">{{ row.source }}</span></span>
          </button>
          <div v-if="open?.id === row.id" class="entry-open">
            <p class="words">{{ open.text }}</p>
            <p v-if="open.fromFile" class="hint">{{ desk.w("file_wins") }}</p>
            <ul v-if="open.rivals.length" class="rivals"><li v-for="one in open.rivals" :key="one.id" :class="one.clash"><span class="tag" :class="{ open: one.clash !== 'similar' }">{{ desk.w("clash_" + one.clash) }}</span><b>{{ one.title }}</b><p class="words">{{ one.text }}</p></li></ul>
            <div v-if="knowledge.mayApprove && ['live', 'expired', 'coming'].includes(open.state)" class="line"><button type="button" class="secondary edit" @click="edit(open)"><Icon name="pen" />{{ desk.w("edit") }}</button><button type="button" class="secondary retire" @click="retire(open)"><Icon name="block" />{{ desk.w("retire") }}</button></div>
            <h3>{{ desk.w("history") }}</h3>
            <ol class="versions"><li v-for="one in open.versions" :key="one.id"><span class="line"><b>{{ desk.w("version", { n: one.version }) }}</b><span class="tag">{{ desk.w("state_" + one.state) }}</span><span class="hint">{{ new Date(one.at).toLocaleString(desk.language, { timeZone: desk.times.zone }) }}</span></span>
              <dl v-for="change in one.changed" :key="change.what"><dt>{{ desk.w("changed_" + change.what) }}</dt><dd><del>{{ change.before || "—" }}</del><ins>{{ change.after || "—" }}</ins></dd></dl></li></ol>
          </div>
        </li>
      </ul>
      <nav v-if="found && found.total > found.size" class="pager" :aria-label="desk.w('entries')"><button type="button" class="secondary previous" :disabled="!found.offset" @click="load(found.offset - found.size)">{{ desk.w("previous") }}</button>
        <span class="hint">{{ desk.w("n_of", { from: found.offset + 1, to: last, n: found.total }) }}</span><button type="button" class="secondary next" :disabled="loading || last >= found.total" @click="load(found.offset + found.size)">{{ desk.w("next") }}</button></nav>
    </div>`,
};

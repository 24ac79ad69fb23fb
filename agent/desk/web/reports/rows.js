// What stands behind a figure, a page at a time, in a dialog.
import { Icon } from "../parts.js";
import { duration } from "./times.js";

export const Rows = {
  components: { Icon },
  inject: ["desk"],
  props: { title: String, asked: Object },
  emits: ["close"],
  data() { return { found: null, failed: "", offset: 0 }; },
  computed: {
    last() { return Math.min(this.offset + this.found.size, this.found.total); },
    file() { return `/desk/reports/rows.csv?${new URLSearchParams(this.asked)}`; },
  },
  mounted() {
    this.before = document.activeElement;
    this.load();
    this.$refs.close.focus();
  },
  unmounted() { this.before?.focus?.(); },
  methods: {
    duration,
    async load(offset = 0) {
      this.failed = "";
      try {
        this.found = await this.desk.act("rows", { ...this.asked, offset });
        this.offset = offset;
      } catch (trouble) { this.failed = trouble.words; }
    },
    when(time) { return new Intl.DateTimeFormat(this.desk.language, { dateStyle: "medium", timeStyle: "short" }).format(time); },
    by(row) { return row.by || (row.who && row.who !== "bot" ? this.desk.w(`who_${row.who}`) : ""); },
  },
  template: `
    <div class="dialog-veil" @pointerdown.self="$emit('close')" @keydown.esc="$emit('close')">
      <div class="dialog wide report-rows" role="dialog" aria-modal="true" :aria-label="title" @keydown.tab="desk.trap">
        <header class="line"><h2>{{ title }}</h2><span v-if="found" class="tag">{{ found.total }}</span><span class="spacer"></span>
          <a v-if="found?.total" class="secondary rows-csv" :href="file" download>{{ desk.w("save_csv") }}</a>
          <button type="button" ref="close" class="plain" :aria-label="desk.w('close')" @click="$emit('close')"><Icon name="close" /></button></header>
        <div v-if="failed" class="state quiet"><Icon name="warn" /><p>{{ failed }}</p><button type="button" class="secondary" @click="load(offset)">{{ desk.w("retry") }}</button></div>
        <div v-else-if="!found" class="state"><i class="spinner"></i>{{ desk.w("loading") }}</div>
        <div v-else-if="!found.rows.length" class="state quiet"><Icon name="list" /><p>{{ desk.w("no_rows") }}</p></div>
        <ul v-else class="row-list"><li v-for="(row, at) in found.rows" :key="at" class="report-row">
          <span class="line"><a v-if="row.ticket" class="number" :href="'/desk/tickets/' + row.ticket" :aria-label="desk.w('open_ticket', { number: row.ticket })">#{{ row.ticket }}</a>
            <span class="tag" :class="row.state ?? row.kind">{{ desk.w(row.state ? "state_" + row.state : "kind_" + row.kind) }}</span><span class="one-line question">{{ row.question }}</span></span>
          <span class="line hint"><span>{{ when(row.at) }}</span><span class="one-line">{{ row.group }}</span><span v-if="by(row)" class="one-line">{{ desk.w("answered_by_name", { name: by(row) }) }}</span><b v-if="row.seconds != null">{{ desk.w("took", { time: duration(row.seconds, desk.language) }) }}</b></span>
        </li></ul>
        <nav v-if="found && found.total > found.size" class="pager" :aria-label="title"><button type="button" class="secondary previous" :disabled="!offset" @click="load(offset - found.size)">{{ desk.w("previous") }}</button>
          <span class="hint">{{ desk.w("rows_of", { from: offset + 1, to: last, n: found.total }) }}</span><button type="button" class="secondary next" :disabled="last >= found.total" @click="load(offset + found.size)">{{ desk.w("next") }}</button></nav>
      </div></div>`,
};

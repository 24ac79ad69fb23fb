// The reports page: figures of a period with what they count, charts, and lines by who and when.
import { Icon } from "../parts.js";
import { asPng, Chart } from "./chart.js";
import { Rows } from "./rows.js";
import { day, duration, period, share } from "./times.js";

const SPANS = ["today", "7", "30", "own"];
const MADE_OF = ["by_operators", "by_members", "unanswered", "ended_unanswered"];
const REFRESH_MS = 60000;

export default {
  components: { Chart, Icon, Rows },
  inject: ["desk"],
  props: { state: Object },
  data() {
    const { span, from, to, group } = this.state;
    return { wanted: { period: span, from, to, group }, found: null, failed: "", loading: false, told: "", part: "days", rows: null, at: 0, drawing: false };
  },
  computed: {
    asked() { return { ...this.wanted, zone: this.desk.times.own }; },
    tiles() {
      const { all, byBot } = this.found, { language } = this.desk;
      const number = (value) => new Intl.NumberFormat(language).format(value);
      const time = (one) => ({ value: duration(one.median, language), more: one.count ? [this.desk.w("p90_is", { time: duration(one.p90, language) }), this.desk.w("clock_is", { time: duration(one.clockMedian, language) })] : [] });
      const of = (n, whole) => whole ? [this.desk.w("n_of", { n: number(n), all: number(whole) })] : [];
      const answered = all.by_operators + all.by_members;
      return [
        { key: "opened", value: number(all.opened), more: [] },
        { key: "by_operators", value: number(all.by_operators), more: [] },
        { key: "by_members", value: number(all.by_members), more: [] },
        { key: "by_bot", value: number(byBot), more: [] },
        { key: "unanswered", value: number(all.unanswered), more: [] },
        { key: "ended_unanswered", value: number(all.ended_unanswered), more: [] },
        { key: "first_response", ...time(all.first_response) },
        { key: "resolution", ...time(all.resolution) },
        { key: "overdue", value: share(all.overdue_share, language), more: all.overdue ? [this.desk.w("n_tickets", { n: number(all.overdue) })] : [], bad: all.overdue > 0 },
        { key: "reopened", value: share(all.reopened_share, language), more: of(all.reopened, answered) },
        { key: "satisfied", value: share(all.satisfied, language), more: all.judged ? of(all.good, all.judged) : [this.desk.w("nothing_told")] },
      ];
    },
    empty() { return !this.found.all.opened && !this.found.byBot && !this.found.all.judged; },
    days() { return this.found.days.map((one) => one.name); },
    questions() { return MADE_OF.map((key) => ({ key, name: this.desk.w(key), values: this.found.days.map((one) => one[key]) })); },
    speeds() { return ["first_response", "resolution"].map((key) => ({ key, name: this.desk.w(key), values: this.found.days.map((one) => one[key].median) })); },
    shown() { return period(this.found.first, this.found.last, this.desk.language); },
    lines() { return { days: [...this.found.days].reverse(), groups: this.found.groupRows, operators: this.found.operators }[this.part]; },
    dayWord() { return this.found.weekly ? "per_week" : "per_day"; },
    file() { return `/desk/reports/figures.csv?${new URLSearchParams({ ...this.asked, part: this.part })}`; },
  },
  created() {
    Object.assign(this, { SPANS, duration, share });
    if (this.wanted.period === "own" && !(this.wanted.from && this.wanted.to)) this.wanted.period = "30";
    this.load();
  },
  mounted() { this.ticking = setInterval(() => { if (!document.hidden && !this.rows) this.load(); }, REFRESH_MS); },
  unmounted() { clearInterval(this.ticking); },
  methods: {
    async load() {
      const asked = (this.asking = (this.asking ?? 0) + 1);
      this.loading = true;
      try {
        const found = await this.desk.act("report", this.asked);
        if (asked === this.asking) Object.assign(this, { found, failed: "", at: Date.now() });
      } catch (trouble) { if (asked === this.asking) this.failed = trouble.words; }
      if (asked === this.asking) this.loading = false;
    },
    choose(change) {
      Object.assign(this.wanted, change);
      if (this.wanted.period === "own") {
        this.wanted.from ||= this.found?.first ?? "";
        this.wanted.to ||= this.found?.last ?? "";
      }
      const kept = Object.entries(this.wanted).filter(([key, value]) => value && (this.wanted.period === "own" || !["from", "to"].includes(key)));
      history.replaceState({}, "", `/desk/reports?${new URLSearchParams(kept)}`);
      this.load();
    },
    name(one) {
      if (this.part !== "days") return one.name;
      const words = day(one.name, this.desk.language, { month: "short", day: "numeric", weekday: "short" });
      return this.found.weekly ? this.desk.w("week_of", { day: day(one.name, this.desk.language, { month: "short", day: "numeric" }) }) : words;
    },
    open(figure, one = null) {
      const more = !one ? {} : this.part === "days" || one.chart ? { day: one.name, days: this.found.weekly ? "7" : "1" } : this.part === "groups" ? { group: String(one.id ?? "") } : { operator: one.name };
      this.rows = { title: [this.desk.w(figure), one && (one.chart ? day(one.name, this.desk.language) : this.name(one))].filter(Boolean).join(" · "), asked: { ...this.asked, figure, ...more } };
    },
    definition(key) {
      const words = [this.desk.w(`def_${{ overdue: "overdue_share", reopened: "reopened_share" }[key] ?? key}`)];
      if (["first_response", "resolution"].includes(key)) words.push(this.desk.w("in_working_hours"), this.desk.w("def_p90"));
      return words.join(" ");
    },
    clock(at) { return new Intl.DateTimeFormat(this.desk.language, { timeStyle: "short" }).format(at); },
    async png() {
      this.drawing = true;
      try {
        const picture = await asPng(this.$refs.charts, `${this.desk.frame.community} · ${this.shown}`);
        const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(picture), download: `shequn-${this.found.first}-${this.found.last}.png` });
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      } catch (error) { console.error(error); this.desk.complain({ words: this.desk.w("load_failed") }); }
      this.drawing = false;
    },
  },
  template: `
    <div class="reports">
      <header class="reports-head">
        <div class="spans" role="radiogroup" :aria-label="desk.w('period')"><button v-for="one in SPANS" :key="one" type="button" role="radio" :data-span="one" :aria-checked="wanted.period === one" @click="choose({ period: one })">{{ desk.w("span_" + one) }}</button></div>
        <template v-if="wanted.period === 'own'"><label class="line"><span class="hint">{{ desk.w("from") }}</span><input class="field" type="date" name="from" :value="wanted.from" @change="choose({ from: $event.target.value })"></label>
          <label class="line"><span class="hint">{{ desk.w("to") }}</span><input class="field" type="date" name="to" :value="wanted.to" @change="choose({ to: $event.target.value })"></label></template>
        <select class="field group" :value="wanted.group" :aria-label="desk.w('group')" @change="choose({ group: $event.target.value })"><option value="">{{ desk.w("all_groups") }}</option><option v-for="one in found?.groups ?? []" :key="one.id" :value="String(one.id)">{{ one.name }}</option></select>
        <span class="spacer"></span>
        <span v-if="found" class="hint as-of"><i v-if="loading" class="spinner"></i>{{ desk.w("updated", { time: clock(at) }) }}</span>
      </header>
      <section class="reports-body" :aria-busy="loading">
        <div v-if="failed" class="state quiet" role="alert"><Icon name="warn" /><p>{{ failed }}</p><button type="button" class="secondary" @click="load">{{ desk.w("retry") }}</button></div>
        <div v-else-if="!found" class="state"><i class="spinner"></i>{{ desk.w("loading") }}</div>
        <div v-else class="reports-page">
          <p class="line period"><b>{{ shown }}</b><span class="hint">{{ desk.w("days_of", { zone: found.zone }) }}</span></p>
          <ul class="tiles"><li v-for="one in tiles" :key="one.key" class="tile" :data-figure="one.key">
            <div class="line"><span class="tile-name">{{ desk.w(one.key) }}</span><button type="button" class="plain what" :aria-expanded="told === one.key" :aria-label="desk.w('what_it_counts', { figure: desk.w(one.key) })" @click="told = told === one.key ? '' : one.key">i</button></div>
            <button type="button" class="tile-value" :aria-label="desk.w('show_rows', { figure: desk.w(one.key) }) + ': ' + one.value" @click="open(one.key)"><Icon v-if="one.bad" name="warn" /><b>{{ one.value }}</b></button>
            <p v-for="words in one.more" :key="words" class="hint">{{ words }}</p>
            <p v-if="told === one.key" class="definition">{{ definition(one.key) }}</p>
          </li></ul>
          <div v-if="empty" class="state quiet nothing"><Icon name="chart" /><p>{{ desk.w("nothing") }}</p><p class="hint">{{ desk.w("nothing_next") }}</p></div>
          <template v-else>
            <section class="card"><div ref="charts" class="charts">
              <Chart :title="desk.w('chart_questions')" kind="columns" :days="days" :series="questions" @pick="(name, key) => open(key, { name, chart: true })" />
              <Chart :title="desk.w('chart_times')" kind="lines" :days="days" :series="speeds" /></div>
              <div class="card-foot"><button type="button" class="secondary png" :disabled="drawing" @click="png"><Icon name="image" />{{ desk.w("save_png") }}</button></div></section>
            <section class="card">
              <div class="line card-head"><div class="tabs" role="tablist"><button v-for="one in ['days', 'groups', 'operators']" :key="one" type="button" role="tab" :id="'by-' + one" :data-part="one" :aria-selected="part === one" @click="part = one">{{ desk.w({ days: dayWord, groups: "per_group", operators: "per_operator" }[one]) }}</button></div>
                <span class="spacer"></span><a class="secondary csv" :href="file" download>{{ desk.w("save_csv") }}</a></div>
              <p v-if="part === 'operators' && !state.everybody" class="hint">{{ desk.w("own_only") }}</p>
              <p v-if="!lines.length" class="state">{{ desk.w(part === "operators" ? "no_operator_yet" : "nothing") }}</p>
              <div v-else class="table" role="tabpanel" :aria-labelledby="'by-' + part" tabindex="0"><table>
                <thead><tr><th scope="col">{{ desk.w({ days: dayWord, groups: "per_group", operators: "per_operator" }[part]) }}</th>
                  <th v-for="key in ['opened', 'by_operators', 'by_members', 'unanswered', 'first_response', 'resolution', 'overdue', 'reopened']" :key="key" scope="col">{{ desk.w(key) }}</th><th v-if="part !== 'operators'" scope="col">{{ desk.w("satisfied") }}</th></tr></thead>
                <tbody><tr v-for="one in lines" :key="one.name"><th scope="row">{{ name(one) }}</th>
                  <td v-for="key in ['opened', 'by_operators', 'by_members', 'unanswered']" :key="key"><button v-if="one[key]" type="button" class="cell" :data-figure="key" @click="open(key, one)">{{ one[key] }}</button><span v-else class="hint">0</span></td>
                  <td v-for="key in ['first_response', 'resolution']" :key="key"><button v-if="one[key].count" type="button" class="cell" @click="open(key, one)">{{ duration(one[key].median, desk.language) }}</button><span v-else class="hint">—</span></td>
                  <td v-for="key in ['overdue', 'reopened']" :key="key"><button v-if="one[key]" type="button" class="cell" @click="open(key, one)">{{ share(one[key + '_share'], desk.language) }}</button><span v-else class="hint">{{ share(one[key + '_share'], desk.language) }}</span></td>
                  <td v-if="part !== 'operators'"><button v-if="one.judged" type="button" class="cell" @click="open('satisfied', one)">{{ share(one.satisfied, desk.language) }}</button><span v-else class="hint">—</span></td></tr></tbody></table></div>
            </section>
          </template>
        </div>
      </section>
      <Rows v-if="rows" :title="rows.title" :asked="rows.asked" @close="rows = null" />
    </div>`,
};

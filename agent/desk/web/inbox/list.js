// The list on the left: filters as chips, saved views, one line a ticket.
import { Icon } from "../parts.js";
import { due, PRIORITY_ICONS } from "./times.js";

const CHIPS = ["unanswered", "mine", "nobodys", "overdue", "soon", "waiting", "answered", "closed", "all"];

export const DueBar = {
  components: { Icon },
  inject: ["desk"],
  props: { ticket: Object },
  computed: { due() { return due(this.ticket, this.desk); } },
  template: `<span class="due" :class="due.kind" :title="due.hint"><span v-if="due.part !== null" class="due-bar" aria-hidden="true"><i :style="{ width: due.part + '%' }"></i></span>
    <Icon v-if="due.icon" :name="due.icon" />{{ due.words }}</span>`,
};

export const TicketList = {
  components: { DueBar, Icon },
  inject: ["desk", "inbox"],
  props: { lines: Array, counts: Object, filters: Object, chosen: Number, more: Boolean, loading: Boolean, loadingMore: Boolean, views: Array, groups: Array },
  emits: ["open", "filter", "more", "save-view", "remove-view"],
  data() { return { text: this.filters.q, opened: false, naming: false, name: "" }; },
  computed: {
    narrowed() { const { group, priority, tag, q } = this.filters; return Boolean(group || priority || tag || q); },
    fine() { const { group, priority, tag } = this.filters; return [group, priority, tag].filter(Boolean).length; },
  },
  watch: { "filters.q"(q) { if (q !== this.text.trim()) this.text = q; } },
  created() { this.chips = CHIPS; this.priorities = Object.keys(PRIORITY_ICONS); },
  methods: {
    search() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.set({ q: this.text.trim() }), 200);
    },
    set(part) { this.$emit("filter", { ...this.filters, ...part }); },
    clear() { this.text = ""; this.set({ group: null, priority: "", tag: "", q: "" }); },
    icon: (priority) => PRIORITY_ICONS[priority],
    label(line) {
      const { w } = this.desk;
      return [`#${line.id}`, w("state_" + line.state), w("priority_" + line.priority), due(line, this.desk).words, line.group, line.question].join(", ");
    },
    save() {
      if (!this.name.trim()) return;
      this.$emit("save-view", this.name.trim());
      this.naming = false;
      this.name = "";
    },
    reveal() { this.$nextTick(() => this.$refs.list?.querySelector("[aria-current=true]")?.scrollIntoView({ block: "nearest" })); },
  },
  template: `
    <section class="list" :aria-label="desk.w('tickets')">
      <div class="list-top">
        <div class="search"><Icon name="search" />
          <input ref="search" v-model="text" type="text" :placeholder="desk.w('search')" :aria-label="desk.w('search')" @input="search" @keydown.esc.stop="text ? clear() : $refs.search.blur()">
          <button v-if="text" type="button" class="plain" :aria-label="desk.w('clear_search')" @click="text = ''; search()"><Icon name="close" /></button>
          <button type="button" class="plain" :class="{ on: opened || fine }" :aria-expanded="opened" :aria-label="desk.w('filters')" :title="desk.w('filters')" @click="opened = !opened"><Icon name="filter" /><b v-if="fine" class="fine">{{ fine }}</b></button></div>
        <div class="chip-row" role="group" :aria-label="desk.w('filters')">
          <button v-for="one in chips" :key="one" type="button" class="chip choice" :class="[one, { has: counts[one] }]" :aria-pressed="filters.state === one" @click="set({ state: one })">
            {{ desk.w("show_" + one) }}<b v-if="one in counts">{{ counts[one] }}</b></button></div>
        <div v-if="views.length" class="chip-row views" role="group" :aria-label="desk.w('views')">
          <span v-for="one in views" :key="one.id" class="chip saved"><button type="button" @click="$emit('filter', one.filters)"><Icon name="star" />{{ one.name }}</button>
            <button type="button" class="drop" :aria-label="desk.w('remove_view', { name: one.name })" @click="$emit('remove-view', one)"><Icon name="close" /></button></span></div>
        <div v-if="opened" class="fine-filters">
          <label><span>{{ desk.w("group") }}</span><select class="field" :value="filters.group ?? ''" @change="set({ group: Number($event.target.value) || null })">
            <option value="">{{ desk.w("all_groups") }}</option><option v-for="one in groups" :key="one.id" :value="one.id">{{ one.name }}</option></select></label>
          <label><span>{{ desk.w("priority") }}</span><select class="field" :value="filters.priority" @change="set({ priority: $event.target.value })">
            <option value="">{{ desk.w("all_priorities") }}</option><option v-for="one in priorities" :key="one" :value="one">{{ desk.w("priority_" + one) }}</option></select></label>
          <label><span>{{ desk.w("tag") }}</span><input class="field" :value="filters.tag" maxlength="40" :placeholder="desk.w('any_tag')" @change="set({ tag: $event.target.value.trim() })"></label>
          <div class="fine-foot"><button type="button" class="secondary" :disabled="!narrowed" @click="clear">{{ desk.w("clear_filters") }}</button>
            <button v-if="!naming" type="button" class="secondary" @click="naming = true; $nextTick(() => $refs.name.focus())"><Icon name="star" />{{ desk.w("save_view") }}</button></div>
          <form v-if="naming" class="naming" @submit.prevent="save"><input ref="name" class="field" v-model="name" maxlength="60" :placeholder="desk.w('view_name')" :aria-label="desk.w('view_name')" @keydown.esc.stop="naming = false">
            <button class="primary" :disabled="!name.trim()">{{ desk.w("save") }}</button></form>
        </div>
      </div>
      <div v-if="loading" class="state" aria-busy="true"><i class="spinner"></i>{{ desk.w("loading") }}</div>
      <ul v-else-if="lines.length" ref="list" class="lines">
        <li v-for="line in lines" :key="line.id">
          <a class="ticket-line" :href="inbox.address(line.id)" :aria-current="line.id === chosen ? 'true' : null" :aria-label="label(line)" :class="line.state"
            @click.exact.prevent="$emit('open', line.id)">
            <span class="line"><b class="number">#{{ line.id }}</b><span class="tag" :class="'is-' + line.state">{{ desk.w("state_" + line.state) }}</span>
              <span v-if="line.priority !== 'normal'" class="tag priority" :class="line.priority"><Icon :name="icon(line.priority)" />{{ desk.w("priority_" + line.priority) }}</span>
              <DueBar :ticket="line" /></span>
            <span class="first-line">{{ line.question }}</span>
            <span class="line foot"><span class="one-line">{{ line.group }}</span><span v-if="line.groups > 1" class="nowrap">+{{ line.groups - 1 }}</span>
              <span v-if="line.askers > 1" class="people" :title="desk.w('askers', { n: line.askers })"><Icon name="hand" />{{ line.askers }}</span>
              <span class="spacer"></span><span class="one-line whose" :class="{ none: !line.assignee }">{{ line.assigneeId === desk.user.id ? desk.w("you") : line.assignee || desk.w("nobody") }}</span></span>
          </a></li>
        <li v-if="more"><button type="button" class="secondary load-more" :disabled="loadingMore" @click="$emit('more')"><i v-if="loadingMore" class="spinner"></i>{{ desk.w("load_more") }}</button></li>
      </ul>
      <div v-else-if="filters.state === 'unanswered' && !narrowed" class="state quiet"><Icon name="check" /><p>{{ desk.w("nothing_unanswered") }}</p><p class="hint">{{ desk.w("nothing_unanswered_next") }}</p></div>
      <div v-else class="state quiet"><Icon name="search" /><p>{{ desk.w("nothing_matches") }}</p><p class="hint">{{ desk.w("nothing_matches_next") }}</p>
        <button v-if="narrowed" type="button" class="secondary" @click="clear">{{ desk.w("clear_filters") }}</button>
        <button v-if="filters.state !== 'all'" type="button" class="secondary" @click="set({ state: 'all' })">{{ desk.w("look_in_all") }}</button></div>
    </section>`,
};

// A question with its answer, for whom and how long: a new draft, another wording, an entry.
import { Icon } from "../parts.js";

export const Editor = {
  components: { Icon },
  inject: ["desk"],
  props: { start: Object, groups: Array, tags: Array, saving: Boolean, refused: String },
  emits: ["save", "close"],
  data() {
    const { question, answer, scopes, from, to } = this.start;
    const names = (kind) => scopes.filter((one) => one.kind === kind).flatMap((one) => one.names);
    return { question, answer, from, to, everybody: scopes.some((one) => one.kind === "all") || !scopes.length, inGroups: names("group"), inTags: names("tags") };
  },
  computed: {
    single() { return Boolean(this.start.entry); },
    allGroups() { return [...new Set([...this.groups, ...this.inGroups])]; },
    allTags() { return [...new Set([...this.tags, ...this.inTags])]; },
    scopes() {
      if (this.everybody) return [{ kind: "all", names: [] }];
      const found = this.inGroups.map((name) => ({ kind: "group", names: [name] }));
      if (this.inTags.length) found.push({ kind: "tags", names: [...this.inTags] });
      return this.single ? found.slice(0, 1) : found;
    },
    incomplete() { return (this.start.question !== null && !this.question?.trim()) || !this.answer.trim() || !this.scopes.length; },
  },
  mounted() { (this.question ? this.$refs.answer : this.$refs.question ?? this.$refs.answer)?.focus(); },
  methods: {
    pick(kind, name, on) {
      const which = kind === "group" ? "inGroups" : "inTags";
      // An entry has one audience; a draft may be for several.
      if (this.single && on) { this.inGroups = kind === "group" ? [name] : []; if (kind === "group") this.inTags = []; }
      this[which] = on ? [...new Set([...this[which], name])] : this[which].filter((one) => one !== name);
    },
    save() {
      if (this.incomplete) return;
      const { question, answer, scopes, from, to } = this;
      this.$emit("save", { draft: this.start.draft, entry: this.start.entry, question, answer, scopes, from, to });
    },
  },
  template: `
    <div class="dialog-veil">
      <form class="dialog wide knowledge-editor" role="dialog" aria-modal="true" :aria-label="desk.w(start.entry || start.draft ? 'edit' : 'new_entry')" @keydown.tab="desk.trap" @keydown.esc.stop="$emit('close')" @submit.prevent="save">
        <h2>{{ desk.w(start.entry || start.draft ? "edit" : "new_entry") }}</h2>
        <p v-if="start.fromFile" class="told">{{ desk.w("file_wins") }}</p>
        <label v-if="start.question !== null"><span>{{ desk.w("question") }}</span><input ref="question" v-model="question" class="field" name="question" maxlength="300"></label>
        <label><span>{{ desk.w("answer") }}</span><textarea ref="answer" v-model="answer" class="field" name="answer" rows="6" maxlength="4000"></textarea></label>
        <fieldset><legend>{{ desk.w("for_whom") }}</legend>
          <label class="tick"><input type="checkbox" v-model="everybody">{{ desk.w("everybody") }}</label>
          <template v-if="!everybody"><label v-for="name in allGroups" :key="'g' + name" class="tick"><input type="checkbox" :checked="inGroups.includes(name)" @change="pick('group', name, $event.target.checked)">{{ name }}</label>
            <label v-for="name in allTags" :key="'t' + name" class="tick"><input type="checkbox" :checked="inTags.includes(name)" @change="pick('tags', name, $event.target.checked)"><span class="tag">{{ name }}</span></label></template></fieldset>
        <div class="days"><label><span>{{ desk.w("valid_from") }}</span><input type="date" v-model="from" class="field" name="from"></label>
          <label><span>{{ desk.w("valid_to") }}</span><input type="date" v-model="to" class="field" name="to"></label></div>
        <p v-if="refused" class="told bad" role="alert"><Icon name="warn" />{{ refused }}</p>
        <div class="dialog-foot"><button type="button" class="secondary" @click="$emit('close')">{{ desk.w("cancel") }}</button>
          <button class="primary save" :disabled="incomplete || saving">{{ desk.w("save") }}</button></div>
      </form>
    </div>`,
};

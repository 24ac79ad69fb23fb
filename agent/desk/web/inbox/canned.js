// Canned replies, written and looked after in a dialog.
import { Icon } from "../parts.js";
import { PRIORITY_ICONS } from "./times.js";

const blank = () => ({ id: null, title: "", text: "", language: "zh", tags: "", priority: "", close: false });

export const Canned = {
  components: { Icon },
  inject: ["desk", "inbox"],
  props: { canned: Array, start: Object },
  emits: ["close"],
  data() { return { form: this.start.text ? { ...blank(), text: this.start.text } : null, trouble: "" }; },
  created() { this.priorities = Object.keys(PRIORITY_ICONS); this.languages = { zh: "中文", ja: "日本語", en: "English" }; },
  mounted() { this.$el.querySelector("input, button")?.focus(); },
  methods: {
    edit(one) { this.form = { ...one, tags: one.tags.join(", ") }; this.trouble = ""; this.$nextTick(() => this.$refs.title.focus()); },
    async save() {
      try {
        const tags = this.form.tags.split(/[,，、]/).map((one) => one.trim()).filter(Boolean);
        this.inbox.receive(await this.desk.act("save_canned", { ...this.form, tags }));
        this.desk.tell(this.desk.w("canned_saved", { title: this.form.title }));
        this.form = null;
      } catch (trouble) { this.trouble = trouble.words; }
    },
    async remove(one) {
      const found = await this.desk.attempt("retire_canned", { id: one.id });
      if (!found) return;
      this.inbox.receive(found);
      const undo = async () => { const back = await this.desk.attempt("restore_canned", { id: one.id }); if (back) this.inbox.receive(back); };
      this.desk.tell(this.desk.w("canned_removed", { title: one.title }), { undo });
    },
    blank,
  },
  template: `
    <div class="dialog-veil" @pointerdown.self="$emit('close')"><div class="dialog wide canned" role="dialog" aria-modal="true" :aria-label="desk.w('canned_manage')" @keydown.tab="desk.trap">
      <div class="line"><h2>{{ desk.w("canned_manage") }}</h2><span class="spacer"></span><button type="button" class="plain" :aria-label="desk.w('close')" @click="$emit('close')"><Icon name="close" /></button></div>
      <form v-if="form" class="canned-form" @submit.prevent="save">
        <label>{{ desk.w("canned_title") }}<input ref="title" class="field" v-model="form.title" maxlength="80" required></label>
        <label>{{ desk.w("canned_text") }}<textarea class="field" v-model="form.text" rows="5" maxlength="2000" required></textarea><span class="hint">{{ desk.w("canned_text_hint") }}</span></label>
        <label>{{ desk.w("canned_language") }}<select class="field" v-model="form.language"><option v-for="(name, code) in languages" :key="code" :value="code">{{ name }}</option></select></label>
        <fieldset><legend>{{ desk.w("canned_actions") }}</legend>
          <label>{{ desk.w("does_tag") }}<input class="field" v-model="form.tags"></label>
          <label>{{ desk.w("does_priority") }}<select class="field" v-model="form.priority"><option value="">{{ desk.w("keep_priority") }}</option><option v-for="one in priorities" :key="one" :value="one">{{ desk.w("priority_" + one) }}</option></select></label>
          <label class="everybody"><input type="checkbox" v-model="form.close">{{ desk.w("does_close") }}</label></fieldset>
        <p v-if="trouble" class="told bad" role="alert"><Icon name="warn" />{{ trouble }}</p>
        <div class="dialog-foot"><button type="button" class="secondary" @click="form = null">{{ desk.w("cancel") }}</button><button class="primary">{{ desk.w("save") }}</button></div></form>
      <template v-else><ul v-if="canned.length" class="canned-all"><li v-for="one in canned" :key="one.id"><button type="button" class="canned-one" @click="edit(one)"><b>{{ one.title }}</b><span>{{ one.text }}</span></button>
          <button type="button" class="plain" :aria-label="desk.w('delete') + ': ' + one.title" @click="remove(one)"><Icon name="close" /></button></li></ul>
        <p v-else class="state">{{ desk.w("canned_none") }}</p>
        <div class="dialog-foot"><button type="button" class="primary" @click="edit({ ...blank(), tags: [] })">{{ desk.w("canned_new") }}</button></div></template></div></div>`,
};

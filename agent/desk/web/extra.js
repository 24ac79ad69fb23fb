// What is sent instead of words: a picture, a link card or a mini-program card.
import { Icon } from "./parts.js";

const FIELDS = {
  link: ["title", "url", "description"],
  mini_program: ["title", "app_id", "page_path", "description"],
};
const LABELS = { url: "address" };
const NEEDED = ["title", "url", "app_id"];

export const Extra = {
  components: { Icon },
  inject: ["desk"],
  props: { extra: Object },
  emits: ["change", "send"],
  computed: {
    fields() { return FIELDS[this.extra.kind] ?? []; },
    missing() {
      const { extra } = this;
      if (extra.kind === "image") return "";
      if (!extra.title.trim()) return "needs_title";
      if (extra.kind === "link" && !/^https?:\/\/\S+/.test(extra.url.trim())) return "needs_url";
      return extra.kind === "mini_program" && !extra.app_id.trim() ? "needs_app_id" : "";
    },
  },
  mounted() { this.$el.querySelector("input")?.focus(); },
  methods: {
    label(field) { return this.desk.w(LABELS[field] ?? field); },
    needed: (field) => NEEDED.includes(field),
    change(field, value) {
      const extra = { ...this.extra, [field]: value };
      this.$emit("change", extra);
      this.$nextTick(() => { if (extra.ready !== !this.missing) this.$emit("change", { ...extra, ready: !this.missing }); });
    },
  },
  template: `
    <div class="extra">
      <div class="extra-head"><Icon :name="extra.kind === 'mini_program' ? 'mini' : extra.kind" />
        <b>{{ desk.w(extra.kind === "image" ? "send_image" : extra.kind === "link" ? "send_link" : "send_mini") }}</b>
        <span class="hint one-line">{{ extra.kind === "image" ? extra.name : missing ? desk.w(missing) : "" }}</span>
        <button type="button" class="plain" :aria-label="desk.w('remove')" @click="$emit('change', null)"><Icon name="close" /></button></div>
      <div v-if="fields.length" class="extra-fields">
        <label v-for="field in fields" :key="field"><span>{{ label(field) }}<i v-if="needed(field)" aria-hidden="true"> *</i></span>
          <input class="field" :type="field === 'url' ? 'url' : 'text'" maxlength="500" :value="extra[field]" :required="needed(field)"
            @input="change(field, $event.target.value)" @keydown.enter.prevent="!$event.isComposing && $emit('send')"></label>
      </div>
    </div>`,
};

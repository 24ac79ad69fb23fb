// What the keys do.
import { Icon } from "../parts.js";

const KEYS = [["j", "k", "key_move"], ["c", "key_claim"], ["r", "key_reply"], ["Ctrl ⏎", "key_send"], ["l", "key_learn"], ["/", "key_search"], ["?", "key_help"], ["Esc", "key_leave"]];

export const Keys = {
  components: { Icon },
  inject: ["desk"],
  emits: ["close"],
  created() { this.keys = KEYS.map((one) => ({ keys: one.slice(0, -1), words: one.at(-1) })); },
  mounted() { this.$refs.close.focus(); },
  template: `
    <div class="dialog-veil" @pointerdown.self="$emit('close')"><div class="dialog" role="dialog" aria-modal="true" :aria-label="desk.w('keys')" @keydown.tab="desk.trap">
      <h2>{{ desk.w("keys") }}</h2>
      <dl class="keys"><template v-for="one in keys" :key="one.words"><dt><kbd v-for="key in one.keys" :key="key">{{ key }}</kbd></dt><dd>{{ desk.w(one.words) }}</dd></template></dl>
      <div class="dialog-foot"><button ref="close" type="button" class="secondary" @click="$emit('close')">{{ desk.w("close") }}</button></div></div></div>`,
};

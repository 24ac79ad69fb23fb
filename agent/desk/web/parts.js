// Small parts used all over the page: icons, avatars, a list to pick from.
import { colourOf, initialsOf } from "./words.js";

const CIRCLE = "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18z";
const SHAPES = {
  back: "M15 5l-7 7 7 7",
  list: "M4 5h16v14H4zM4 14h5l1.5 2.5h3L15 14h5",
  book: "M5 4h11a3 3 0 0 1 3 3v13H8a3 3 0 0 1-3-3zM5 17a3 3 0 0 1 3-3h11M9 8h6",
  chart: "M4 20h16M7 16v-5M12 16V6M17 16v-8",
  filter: "M4 6h16M7 12h10M10 18h4",
  star: "M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5-5-2.8-5 2.8 1.1-5.5L4 9.7 9.6 9z",
  up: "M6 15l6-6 6 6",
  eye: "M2.5 12S6 5.5 12 5.5 21.5 12 21.5 12 18 18.5 12 18.5 2.5 12 2.5 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
  pen: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
  note: "M5 4h14v11l-5 5H5zM14 20v-5h5",
  ask: "M4 5h16v11H12l-5 4v-4H4zM9.5 9a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .7-1 1.2M12 14h.01",
  split: "M12 20v-7M12 13L6 7M12 13l6-6M6 11V7h4M18 11V7h-4",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM20 20l-4-4",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6L6 18",
  down: "M6 9l6 6 6-6",
  quote: "M9 7l-5 5 5 5M4 12h9a7 7 0 0 1 7 6",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 6 6l1-1",
  mini: CIRCLE + "M9.5 16a2.2 2.2 0 1 1 2.5-2.2v-3.6A2.2 2.2 0 1 1 14.5 12.3",
  thought: "M9 18h6M10 21h4M12 3a6 6 0 0 0-4 10.5c.7.7 1 1.5 1 2.5h6c0-1 .3-1.8 1-2.5A6 6 0 0 0 12 3z",
  skip: "M5 5l8 7-8 7zM17 5v14",
  check: "M5 12l5 5 9-10",
  quiet: CIRCLE + "M8 12h8",
  hand: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21a8 8 0 0 1 16 0",
  block: CIRCLE + "M6 6l12 12",
  warn: "M12 4l9 16H3zM12 10v4M12 16.8v.4",
  clock: CIRCLE + "M12 7v5l3 2",
  light: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.8 1.8M17.2 17.2L19 19M5 19l1.8-1.8M17.2 6.8L19 5",
  dark: "M20 14A8 8 0 0 1 10 4a8 8 0 1 0 10 10z",
  auto: CIRCLE + "M12 3v18M12 7l5-1M12 11h8M12 15h7.5",
  globe: CIRCLE + "M3 12h18M12 3c3.5 4 3.5 14 0 18M12 3c-3.5 4-3.5 14 0 18",
  bot: "M6 9h12v9H6zM12 9V5M12 5h.01M9.5 13v1M14.5 13v1M3.5 12v3M20.5 12v3",
  staff: "M4 14v-2a8 8 0 0 1 16 0v2M4 14h3v5H4zM17 14h3v5h-3zM19 19a4 4 0 0 1-4 2h-2",
  go: "M7 17L17 7M9 7h8v8",
  at: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM16 8v5.5a2.5 2.5 0 0 0 5 0V12a9 9 0 1 0-3.5 7.1",
};

export const Icon = {
  props: { name: String },
  computed: { shape() { return SHAPES[this.name]; } },
  template: `<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path :d="shape" /></svg>`,
};

export const Avatar = {
  components: { Icon },
  props: { name: String, kind: String, small: Boolean },
  computed: {
    initials() { return initialsOf(this.name || ""); },
    colour() { return this.kind ? undefined : colourOf(this.name || ""); },
  },
  template: `
    <span class="avatar" :class="[kind, { small }]" :style="{ background: colour }" aria-hidden="true">
      <Icon v-if="kind === 'bot' || kind === 'staff'" :name="kind" /><template v-else>{{ initials }}</template>
    </span>`,
};

/** A list of people above the composer. Keys: arrows, Enter, Tab, Escape through `press`. */
export const PeopleList = {
  components: { Avatar },
  inject: ["desk"],
  props: { people: Array, label: String, chosen: Number, searchable: Boolean },
  emits: ["pick", "close"],
  data() { return { at: 0, text: "" }; },
  computed: {
    shown() {
      const text = this.text.trim().toLowerCase();
      return text ? this.people.filter((one) => one.name.toLowerCase().includes(text)) : this.people;
    },
  },
  watch: { shown() { this.at = 0; } },
  mounted() {
    if (!this.searchable) return;
    this.at = Math.max(this.people.findIndex((one) => one.id === this.chosen), 0);
    (this.$refs.search ?? this.$refs.list).focus();
    this.reveal();
  },
  methods: {
    press(event) {
      if (event.isComposing) return false;
      const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (move && this.shown.length) {
        this.at = (this.at + move + this.shown.length) % this.shown.length;
        this.reveal();
      } else if ((event.key === "Enter" || event.key === "Tab") && this.shown[this.at]) {
        this.$emit("pick", this.shown[this.at]);
      } else if (event.key === "Escape") {
        this.$emit("close");
      } else return false;
      event.preventDefault();
      event.stopPropagation();
      return true;
    },
    reveal() {
      this.$nextTick(() => this.$refs.list?.querySelector(".at")?.scrollIntoView({ block: "nearest" }));
    },
  },
  template: `
    <div class="popover people" @keydown="press">
      <input v-if="searchable && people.length > 8" ref="search" v-model="text" class="field"
        :placeholder="desk.w('search_members')" :aria-label="desk.w('search_members')">
      <ul ref="list" role="listbox" tabindex="-1" :aria-label="label">
        <li v-for="(one, index) in shown" :key="one.id" role="option" :aria-selected="index === at"
          :class="{ at: index === at }" @mousedown.prevent @click="$emit('pick', one)" @mousemove="at = index">
          <Avatar :name="one.name" :kind="one.bot ? 'bot' : ''" small />
          <span class="one-line">{{ one.name }}</span>
          <span v-if="one.bot" class="tag bot">{{ desk.w("bot") }}</span>
          <svg v-if="one.id === chosen" class="icon tick" viewBox="0 0 24 24" aria-hidden="true"><path d="M5 12l5 5 9-10" /></svg>
        </li>
        <li v-if="!shown.length" class="nothing">{{ text ? desk.w("nothing_matches", { text }) : desk.w("no_members") }}</li>
      </ul>
    </div>`,
};

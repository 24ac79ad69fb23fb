// The bar on top and the list of groups on the left.
import { Avatar, Icon } from "./parts.js";

const NEXT_THEME = { auto: "light", light: "dark", dark: "auto" };

export const TopBar = {
  components: { Icon },
  inject: ["desk"],
  emits: ["jump", "theme", "language"],
  computed: {
    account() {
      const bad = (one) => one.state !== "online";
      const accounts = this.desk.health?.accounts ?? [];
      return accounts.find(bad) ?? accounts[0];
    },
    next() { return NEXT_THEME[this.desk.theme]; },
  },
  template: `
    <header class="topbar">
      <h1 class="one-line"><span class="logo" aria-hidden="true"></span>{{ desk.community }}</h1>
      <div class="chips" role="status">
        <span v-if="!desk.online" class="chip bad"><Icon name="warn" />{{ desk.w("offline") }}</span>
        <template v-else-if="desk.health">
          <span v-if="desk.health.ready" class="chip good" :title="desk.w('ready_hint', { n: desk.health.entries })">
            <Icon name="check" />{{ desk.w("ready", { n: desk.health.entries }) }}</span>
          <span v-else class="chip busy"><i class="spinner"></i>{{ desk.w("warming") }}</span>
          <span v-if="account" class="chip" :class="account.state === 'online' ? 'good' : 'warn'" :title="account.detail || account.name">
            <i class="dot"></i>{{ account.state === "online" ? account.words : account.name + " · " + account.words }}</span>
          <span class="chip wide-only" :title="desk.health.model ? '' : desk.w('no_model_hint')">
            {{ desk.health.model ? desk.w("model", { model: desk.health.model }) : desk.w("no_model") }}</span>
          <span v-if="desk.health.troubled" class="chip bad"><Icon name="warn" />{{ desk.w("troubled", { n: desk.health.troubled }) }}</span>
        </template>
        <span v-else class="chip"><i class="spinner"></i>{{ desk.w("loading") }}</span>
      </div>
      <div class="clock" :title="desk.viewerTime(desk.now)" :aria-label="desk.w('community_time')">
        <span class="day">{{ desk.times.today.format(desk.now) }}</span>
        <time>{{ desk.times.second.format(desk.now) }}</time>
      </div>
      <button type="button" class="jump" :disabled="!desk.offer || desk.jumping || !desk.online" @click="$emit('jump')"
        :title="desk.offer ? '' : desk.w('no_offer_next')">
        <Icon name="skip" />
        <span class="jump-words">
          <b>{{ desk.jumping ? desk.w("jumping") : desk.w("jump") }}</b>
          <small class="one-line">{{ desk.offer ? desk.offer.title + " · " + desk.times.coming(desk.offer.at, desk.now) : desk.w("no_offer") }}</small>
        </span>
      </button>
      <label class="language" :title="desk.w('language')"><Icon name="globe" />
        <select :value="desk.language" :aria-label="desk.w('language')" @change="$emit('language', $event.target.value)">
          <option v-for="(name, code) in desk.languages" :key="code" :value="code">{{ name }}</option>
        </select>
      </label>
      <button type="button" class="plain theme" :title="desk.w('theme_' + desk.theme)" :aria-label="desk.w('theme_' + desk.theme)"
        @click="$emit('theme', next)"><Icon :name="desk.theme" /></button>
    </header>`,
};

export const GroupList = {
  components: { Avatar, Icon },
  inject: ["desk"],
  props: { groups: Array, chosen: Number, found: String },
  emits: ["open", "find"],
  data() { return { text: "" }; },
  computed: {
    waiting() { return this.text.trim() !== (this.found ?? "").trim(); },
  },
  methods: {
    search() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.$emit("find", this.text), 150);
    },
    clear() { this.text = ""; this.search(); this.$refs.search.focus(); },
    label(group) {
      const unread = group.unread ? ", " + this.desk.w("unread", { n: group.unread }) : "";
      return group.name + (group.operators ? ", " + this.desk.w("operators_group") : "") + unread;
    },
    preview(group) {
      const draft = group.id !== this.chosen && this.desk.draftOf(group.id);
      if (draft) return "✎ " + draft;
      return (group.sender ? group.sender + ": " : "") + group.text;
    },
  },
  template: `
    <nav class="groups" :aria-label="desk.w('groups')">
      <div class="search">
        <Icon name="search" />
        <input ref="search" v-model="text" type="text" :placeholder="desk.w('search_groups')" :aria-label="desk.w('search_groups')"
          @input="search" @keydown.esc="clear">
        <button v-if="text" type="button" class="plain" :aria-label="desk.w('clear_search')" @click="clear"><Icon name="close" /></button>
      </div>
      <ul v-if="groups.length">
        <li v-for="group in groups" :key="group.id">
          <button type="button" class="group" :class="{ chosen: group.id === chosen }" :aria-current="group.id === chosen"
            :aria-label="label(group)" @click="$emit('open', group.id)">
            <span class="avatar-with-count">
              <Avatar :name="group.name" :kind="group.operators ? 'staff' : ''" />
              <span v-if="group.unread" class="count">{{ group.unread > 99 ? "99+" : group.unread }}</span>
            </span>
            <span class="group-words">
              <span class="line"><b class="one-line">{{ group.name }}</b>
                <span v-if="group.operators" class="tag staff">{{ desk.w("operators_group") }}</span>
                <time v-if="group.at" :title="desk.viewerTime(group.at)">{{ desk.times.short(group.at, desk.now, desk.w("yesterday")) }}</time></span>
              <span class="preview one-line">{{ preview(group) || "\\u00a0" }}</span>
            </span>
          </button>
        </li>
      </ul>
      <div v-else-if="waiting" class="state">{{ desk.w("loading") }}</div>
      <div v-else-if="text" class="state"><p>{{ desk.w("nothing_matches", { text }) }}</p>
        <button type="button" class="secondary" @click="clear">{{ desk.w("clear_search") }}</button></div>
      <div v-else class="state"><p>{{ desk.w("no_groups") }}</p><p class="hint">{{ desk.w("no_groups_next") }}</p></div>
    </nav>`,
};

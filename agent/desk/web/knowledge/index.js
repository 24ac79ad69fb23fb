// The knowledge page: entries by use, drafts that wait, gaps, a question on trial.
import { Icon } from "../parts.js";
import { Drafts } from "./drafts.js";
import { Editor } from "./editor.js";
import { Entries } from "./entries.js";
import { Gaps } from "./gaps.js";
import { Trial } from "./trial.js";

const TABS = ["entries", "drafts", "gaps", "try"];

export default {
  components: { Drafts, Editor, Entries, Gaps, Icon, Trial },
  inject: ["desk"],
  provide() { return { knowledge: this }; },
  props: { state: Object },
  data() {
    const { tab, counts, groups, tags, sources, mayApprove } = this.state;
    return { tab, counts, groups, tags, sources, mayApprove, editing: null, saving: false, refused: "" };
  },
  mounted() { addEventListener("popstate", this.follow); },
  unmounted() { removeEventListener("popstate", this.follow); },
  methods: {
    receive(patch) {
      if (patch.counts) this.counts = patch.counts;
      if (patch.changed) this.$refs.part?.reload?.();
    },
    follow() {
      const found = /^\/desk\/knowledge\/(\w+)$/.exec(location.pathname);
      this.tab = TABS.includes(found?.[1]) ? found[1] : "entries";
    },
    go(tab) {
      this.tab = tab;
      history.pushState({}, "", tab === "entries" ? "/desk/knowledge" : `/desk/knowledge/${tab}`);
    },
    count(tab) { return tab === "entries" ? this.counts.live : tab === "drafts" ? this.counts.drafts : null; },

    // -- words for what codes say
    scope({ kind, names }) { return kind === "all" ? this.desk.w("everybody") : names.join("、"); },
    scopes(all) { return all.map((one) => this.scope(one)).join("、"); },
    validity({ from, to }) {
      if (from && to) return this.desk.w("between_days", { from, to });
      return from ? this.desk.w("from_day", { from }) : to ? this.desk.w("until_day", { to }) : this.desk.w("always");
    },

    // -- writing
    write(start = {}) { this.refused = ""; this.editing = { question: "", answer: "", scopes: [{ kind: "all", names: [] }], from: "", to: "", ...start }; },
    async save(made) {
      this.saving = true;
      this.refused = "";
      try {
        const told = await this.desk.act(made.entry ? "edit" : "write", { ...made, id: made.entry ?? made.draft });
        this.desk.tell(this.desk.w(made.entry ? "saved" : "draft_saved"));
        this.editing = null;
        if (!made.entry && this.tab !== "drafts") this.go("drafts");
        else if (made.entry) this.$refs.part?.replaced?.(told.id);
        else this.$refs.part?.reload?.();
      } catch (trouble) { this.refused = trouble.words ?? this.desk.w("something_wrong"); }
      this.saving = false;
    },
  },
  template: `
    <div class="knowledge">
      <header class="knowledge-head">
        <div class="tabs" role="tablist" :aria-label="desk.w('entries')"><button v-for="one in ['entries', 'drafts', 'gaps', 'try']" :key="one" type="button" role="tab" :id="'tab-' + one" :aria-selected="tab === one" @click="go(one)">
          {{ desk.w(one === "try" ? "try_it" : one) }}<span v-if="count(one)" class="tag">{{ count(one) }}</span></button></div>
        <span class="spacer"></span>
        <button type="button" class="primary new-entry" @click="write()">{{ desk.w("new_entry") }}</button>
      </header>
      <section class="knowledge-body" role="tabpanel" :aria-labelledby="'tab-' + tab">
        <Entries v-if="tab === 'entries'" ref="part" :sources="sources" :counts="counts" />
        <Drafts v-else-if="tab === 'drafts'" ref="part" />
        <Gaps v-else-if="tab === 'gaps'" ref="part" />
        <Trial v-else ref="part" :groups="groups" />
      </section>
      <Editor v-if="editing" :start="editing" :groups="groups" :tags="tags" :saving="saving" :refused="refused" @save="save" @close="editing = null" />
    </div>`,
};

// The inbox: the list on the left, the ticket in the middle, the reply on the right.
export default {
  inject: ["desk"],
  props: { state: Object },
  template: `<div class="state">{{ desk.w("inbox") }}</div>`,
};

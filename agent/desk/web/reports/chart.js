// Charts drawn as SVG by the page itself, and saved as a picture by the browser.
import { day, duration } from "./times.js";

const WIDTH = 520, HEIGHT = 220, LEFT = 56, RIGHT = 8, TOP = 12, BOTTOM = 28;
const PLAIN = ["fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "font-weight", "text-anchor", "opacity"];

/** Round steps that reach `most`: at most five of them. */
export function steps(most, times = false) {
  const round = times ? [1, 10, 30, 60, 300, 600, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 432800] : [];
  const wanted = Math.max(most, 1) / 4;
  const scale = 10 ** Math.floor(Math.log10(wanted));
  const step = round.find((one) => one >= wanted) ?? [1, 2, 5, 10].map((one) => one * scale).find((one) => one >= wanted);
  const size = times ? step : Math.max(step, 1);
  return Array.from({ length: Math.ceil(Math.max(most, 1) / size) + 1 }, (_, at) => at * size);
}

/** `series`: {key, name, values}; columns stand on each other, lines are gaps where null. */
export const Chart = {
  inject: ["desk"],
  props: { title: String, days: Array, series: Array, kind: String },
  emits: ["pick"],
  computed: {
    most() { return Math.max(...this.days.map((_, at) => this.kind === "columns" ? this.series.reduce((sum, one) => sum + one.values[at], 0) : Math.max(...this.series.map((one) => one.values[at] ?? 0))), 1); },
    ticks() { return steps(this.most, this.kind === "lines"); },
    slot() { return (WIDTH - LEFT - RIGHT) / Math.max(this.days.length, 1); },
    columns() {
      const wide = Math.max(Math.min(this.slot * 0.7, 36), 1);
      return this.days.flatMap((name, at) => {
        let below = 0;
        return this.series.filter((one) => one.values[at]).map((one) => {
          const from = below;
          below += one.values[at];
          return { key: `${name}-${one.key}`, kind: one.key, at, x: this.x(at) - wide / 2, y: this.y(below), width: wide, height: this.y(from) - this.y(below), words: `${day(name, this.desk.language)} · ${one.name}: ${one.values[at]}` };
        });
      });
    },
    lines() {
      return this.series.map((one) => ({
        key: one.key,
        path: one.values.map((value, at) => value === null ? "" : `${at && one.values[at - 1] !== null ? "L" : "M"}${this.x(at).toFixed(1)} ${this.y(value).toFixed(1)}`).join(""),
        points: one.values.map((value, at) => value === null ? null : { x: this.x(at), y: this.y(value), words: `${day(this.days[at], this.desk.language)} · ${one.name}: ${duration(value, this.desk.language)}` }).filter(Boolean),
      }));
    },
    labels() {
      const every = Math.ceil(this.days.length / 10);
      return this.days.map((name, at) => ({ name, at })).filter(({ at }) => at % every === 0);
    },
  },
  created() { Object.assign(this, { WIDTH, HEIGHT, LEFT, RIGHT, day }); },
  methods: {
    x(at) { return LEFT + this.slot * (at + 0.5); },
    y(value) { return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * (value / this.ticks.at(-1)); },
    tick(value) { return this.kind === "lines" ? duration(value, this.desk.language) : new Intl.NumberFormat(this.desk.language).format(value); },
  },
  template: `
    <figure class="chart">
      <figcaption><b>{{ title }}</b><span class="keys"><span v-for="one in series" :key="one.key"><i :class="one.key"></i>{{ one.name }}</span></span></figcaption>
      <svg :viewBox="'0 0 ' + WIDTH + ' ' + HEIGHT" role="img" :aria-label="title">
        <g v-for="one in ticks" :key="one"><line class="grid" :x1="LEFT" :x2="WIDTH - RIGHT" :y1="y(one)" :y2="y(one)" /><text class="tick" :x="LEFT - 6" :y="y(one) + 4" text-anchor="end">{{ tick(one) }}</text></g>
        <text v-for="one in labels" :key="one.name" class="tick" :x="x(one.at)" :y="HEIGHT - 8" text-anchor="middle">{{ day(one.name, desk.language) }}</text>
        <template v-if="kind === 'columns'"><rect v-for="one in columns" :key="one.key" class="column" :class="one.kind" :x="one.x" :y="one.y" :width="one.width" :height="one.height" @click="$emit('pick', days[one.at], one.kind)"><title>{{ one.words }}</title></rect></template>
        <template v-else><g v-for="one in lines" :key="one.key"><path class="curve" :class="one.key" :d="one.path" /><circle v-for="(point, at) in one.points" :key="at" class="point" :class="one.key" :cx="point.x" :cy="point.y" r="3"><title>{{ point.words }}</title></circle></g></template>
      </svg>
    </figure>`,
};

/** The charts under `root` as one PNG, as they look at this moment, with their titles. */
export async function asPng(root, heading) {
  const charts = [...root.querySelectorAll(".chart")];
  const style = getComputedStyle(root);
  const text = (x, y, words, size, weight, anchor = "start") => `<text x="${x}" y="${y}" font-size="${size}" font-weight="${weight}" text-anchor="${anchor}" fill="${style.color}" font-family="${style.fontFamily.replaceAll('"', "'")}">${escaped(words)}</text>`;
  const tall = 56 + charts.length * (HEIGHT + 64);
  let inside = text(16, 32, heading, 18, 600);
  charts.forEach((chart, at) => {
    const top = 56 + at * (HEIGHT + 64);
    inside += text(16, top + 16, chart.querySelector("b").textContent, 14, 600);
    let right = 16;
    for (const key of chart.querySelectorAll(".keys span")) {
      const words = key.textContent.trim();
      inside += `<rect x="${right}" y="${top + 28}" width="10" height="10" rx="2" fill="${getComputedStyle(key.querySelector("i")).backgroundColor}"/>` + text(right + 14, top + 38, words, 12, 400);
      right += 32 + [...words].reduce((sum, sign) => sum + (sign.codePointAt(0) > 0x2e7f ? 12 : 7), 0);
    }
    inside += `<g transform="translate(16 ${top + 44})">${inlined(chart.querySelector("svg")).innerHTML}</g>`;
  });
  const wide = WIDTH + 32;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${wide}" height="${tall}"><rect width="100%" height="100%" fill="${getComputedStyle(root.querySelector(".chart")).backgroundColor}"/>${inside}</svg>`;
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: wide * 2, height: tall * 2 });
  const context = canvas.getContext("2d");
  context.scale(2, 2);
  context.drawImage(image, 0, 0);
  return new Promise((resolve) => { canvas.toBlob(resolve, "image/png"); });
}

const escaped = (words) => words.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

// A picture has no style sheets: what they say is written into each shape.
function inlined(svg) {
  const copy = svg.cloneNode(true);
  const shapes = [...svg.querySelectorAll("*")];
  [...copy.querySelectorAll("*")].forEach((one, at) => {
    const style = getComputedStyle(shapes[at]);
    for (const name of PLAIN) one.style.setProperty(name, style.getPropertyValue(name));
  });
  return copy;
}

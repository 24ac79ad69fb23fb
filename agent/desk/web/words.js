// Words, times and colours as the page shows them.

const MINUTE = 60000;
const DAY = 24 * 60 * MINUTE;
const PALETTE = ["#2F6BEF", "#7A5AF8", "#B54708", "#0E7490", "#C0262D", "#15803D", "#A21C6B", "#4D5B7C"];

export function filled(words, key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

export function colourOf(name) {
  let sum = 7;
  for (const sign of name) sum = (sum * 31 + sign.codePointAt(0)) >>> 0;
  return PALETTE[sum % PALETTE.length];
}

export function initialsOf(name) {
  const signs = [...name.replace(/群$/u, "").replace(/[^\p{L}\p{N}]/gu, "")];
  if (!signs.length) return "·";
  if (/\p{Script=Latin}/u.test(signs[0])) return signs.slice(0, 2).join("").toUpperCase();
  return signs.length > 2 ? signs.slice(-2).join("") : signs.join("");
}

export class Times {
  constructor(language, zone) {
    this.own = Intl.DateTimeFormat().resolvedOptions().timeZone;
    this.zone = zone;
    const wording = (options, timeZone = zone) =>
      new Intl.DateTimeFormat(language, { timeZone, hourCycle: "h23", ...options });
    this.dayKey = new Intl.DateTimeFormat("en-CA", { timeZone: zone });
    this.minute = wording({ hour: "2-digit", minute: "2-digit" });
    this.second = wording({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
    this.weekday = wording({ weekday: "long" });
    this.day = wording({ month: "numeric", day: "numeric" });
    this.today = wording({ month: "short", day: "numeric", weekday: "short" });
    this.date = wording({ year: "numeric", month: "long", day: "numeric" });
    this.viewer = wording(
      { month: "numeric", day: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short" },
      this.own,
    );
  }
  daysAgo(at, now) {
    const day = (instant) => Date.parse(this.dayKey.format(instant) + "T00:00:00Z") / DAY;
    return day(now) - day(at);
  }
  separator(at, now, yesterday) {
    const days = this.daysAgo(at, now);
    const clock = this.minute.format(at);
    if (days === 0) return clock;
    if (days === 1) return `${yesterday} ${clock}`;
    if (days > 1 && days < 7) return `${this.weekday.format(at)} ${clock}`;
    return `${this.date.format(at)} ${clock}`;
  }
  short(at, now, yesterday) {
    const days = this.daysAgo(at, now);
    if (days === 0) return this.minute.format(at);
    if (days === 1) return yesterday;
    if (days > 1 && days < 7) return this.weekday.format(at);
    return this.day.format(at);
  }
  coming(at, now) {
    const clock = this.minute.format(at);
    return this.daysAgo(at, now) === 0 ? clock : `${this.today.format(at)} ${clock}`;
  }
}

export const APART = 5 * MINUTE;

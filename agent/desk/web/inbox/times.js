// Time left, as a bar with words.
const MINUTE = 60000;
const SOON = 30 * MINUTE;
const FULL = 4 * 60 * MINUTE; // what a whole bar stands for

export const PRIORITY_ICONS = { urgent: "warn", high: "up", normal: "quiet", low: "down" };

export function span(milliseconds, desk) {
  const minutes = Math.max(Math.floor(Math.abs(milliseconds) / MINUTE), 0);
  if (minutes < 60) return desk.w("minutes", { n: minutes });
  if (minutes < 48 * 60) return desk.w("hours", { n: Math.floor(minutes / 60) });
  return desk.w("days", { n: Math.floor(minutes / 1440) });
}

/** What is due next on a line or a ticket: kind, words, an icon, and how full the bar is. */
export function due(ticket, desk) {
  const none = { kind: "none", words: "", hint: "", icon: "", part: null };
  if (ticket.state === "waiting" && ticket.waitingSince)
    return { ...none, kind: "waits", words: span(desk.now - ticket.waitingSince, desk), hint: desk.w("waits_since", { time: span(desk.now - ticket.waitingSince, desk) }), icon: "clock" };
  if (!["open", "claimed"].includes(ticket.state)) return none;
  if (ticket.peersUntil) return { ...none, kind: "peers", words: desk.w("with_peers", { time: desk.times.minute.format(ticket.peersUntil) }), icon: "hand" };
  const at = "dueAt" in ticket ? ticket.dueAt : (ticket.firstResponseAt ? null : ticket.responseDueAt) ?? ticket.resolutionDueAt;
  if (!at) return none;
  const left = at - desk.now;
  const hint = desk.times.coming(at, desk.now);
  if (left < 0) return { kind: "over", words: desk.w("over", { time: span(left, desk) }), hint, icon: "warn", part: 100 };
  return { kind: left < SOON ? "soon" : "later", words: desk.w("left", { time: span(left, desk) }), hint, icon: left < SOON ? "clock" : "", part: Math.max(Math.round((1 - left / FULL) * 100), 6) };
}

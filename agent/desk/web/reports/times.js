// Days and durations as the reader's language writes them.
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** Seconds in the unit that reads best, with one decimal where it is short. */
export function duration(seconds, language) {
  if (seconds === null || seconds === undefined) return "—";
  const [unit, size] = UNITS.find(([, size]) => seconds >= size * (size === 86400 ? 2 : 1)) ?? UNITS.at(-1);
  const value = seconds / size;
  return new Intl.NumberFormat(language, { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: value < 10 ? 1 : 0 }).format(value);
}

export const share = (part, language) => part === null || part === undefined ? "—" : new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(part);

// A day is a calendar's, whatever the zone: written "2027-03-05".
export const day = (iso, language, options = { month: "numeric", day: "numeric" }) => new Intl.DateTimeFormat(language, { timeZone: "UTC", ...options }).format(new Date(`${iso}T00:00:00Z`));

export const period = (first, last, language) => new Intl.DateTimeFormat(language, { timeZone: "UTC", year: "numeric", month: "short", day: "numeric" })
  .formatRange(new Date(`${first}T00:00:00Z`), new Date(`${last}T00:00:00Z`));

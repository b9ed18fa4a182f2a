const DAY = 86_400

/** As routers show it: `00:01:02`, `1d02h`, `3w4d`. */
export function durationText(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  if (whole >= 7 * DAY) return `${Math.floor(whole / (7 * DAY))}w${Math.floor((whole % (7 * DAY)) / DAY)}d`
  if (whole >= DAY) return `${Math.floor(whole / DAY)}d${two(Math.floor((whole % DAY) / 3600))}h`
  return [whole / 3600, (whole % 3600) / 60, whole % 60].map((part) => two(Math.floor(part))).join(':')
}

const two = (value: number): string => String(value).padStart(2, '0')

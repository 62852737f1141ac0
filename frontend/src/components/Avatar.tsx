/** A picture of somebody's own, drawn from the hash: no other site is asked for it. */
export function Avatar({ hash, initials }: { hash: string; initials: string }) {
  const hue = Math.round((parseInt(hash.slice(0, 4), 16) / 0xffff) * 360);
  return (
    <svg className="avatar" viewBox="0 0 64 64" width="64" height="64" aria-hidden="true" focusable="false">
      <circle cx="32" cy="32" r="32" fill={`hsl(${hue} 42% 36%)`} />
      <text x="32" y="33" textAnchor="middle" dominantBaseline="central" fontSize="24" fontWeight="600" fill="#fff">
        {initials}
      </text>
    </svg>
  );
}

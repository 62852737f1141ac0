interface NoticeProps {
  kind: 'error' | 'info' | 'success';
  children: string | null;
}

/** Always in the page, so that a screen reader notices when it is filled. */
export function Notice({ kind, children }: NoticeProps) {
  return (
    <div role={kind === 'error' ? 'alert' : 'status'} aria-live={kind === 'error' ? 'assertive' : 'polite'}>
      {children !== null && <p className={`notice notice-${kind}`}>{children}</p>}
    </div>
  );
}

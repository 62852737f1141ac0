import { useEffect, useState } from 'react';

import { useClient } from './api/context';
import { Header } from './components/Header';
import { useTranslation, type MessageKey } from './i18n';
import { AccountPage } from './pages/AccountPage';
import { ProfilePage } from './pages/ProfilePage';
import { navigate, usePath, type Path } from './routes';

const titles: Record<Path, MessageKey> = { '/login': 'login.title', '/signup': 'signup.title', '/profile': 'profile.title' };

export function App() {
  const client = useClient();
  const { t } = useTranslation();
  const path = usePath();
  const [loggedIn, setLoggedIn] = useState(client.hasSession);
  const [expired, setExpired] = useState(false);

  useEffect(
    () =>
      client.whenSessionEnds(() => {
        setLoggedIn(false);
        setExpired(true);
      }),
    [client],
  );

  // Each page belongs to one of the two states; any other address leads to the state's own page.
  const page: Path = loggedIn ? '/profile' : path === '/signup' ? '/signup' : '/login';
  const title = t(titles[page]);
  useEffect(() => navigate(page, { replace: true }), [page]);
  useEffect(() => {
    document.title = `${title} · Alicerce`;
  }, [title]);

  function logOut(): void {
    setLoggedIn(false);
    setExpired(false);
    // The tokens are gone from here already; a server that cannot be told lets them end by themselves.
    client.logOut().catch(() => undefined);
  }

  return (
    <>
      <Header onLogOut={loggedIn ? logOut : null} />
      <main id="content" tabIndex={-1}>
        {page === '/profile' ? (
          <ProfilePage />
        ) : (
          <AccountPage
            key={page}
            mode={page === '/signup' ? 'signup' : 'login'}
            expired={expired}
            onLoggedIn={() => {
              setExpired(false);
              setLoggedIn(true);
            }}
          />
        )}
      </main>
      <footer className="footer">{t('app.tagline')}</footer>
    </>
  );
}

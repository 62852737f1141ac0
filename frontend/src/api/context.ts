import { createContext, useContext } from 'react';

import { Client } from './client';
import { Session } from './session';

export const ClientContext = createContext<Client>(new Client(new Session(sessionStorage)));

export const useClient = (): Client => useContext(ClientContext);

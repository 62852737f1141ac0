import { describe, expect, it } from 'vitest';

import { profile } from '../testing/server';
import { draftOf, patchOf } from './draft';

const full = {
  ...profile,
  phone: '+5511987654321',
  address: {
    postal_code: '01310-100',
    street: 'Avenida Paulista',
    number: '1000',
    complement: null,
    district: 'Bela Vista',
    city: 'São Paulo',
    state: 'SP',
    country: 'BR',
  },
};

describe('the patch', () => {
  it('is empty when nothing was changed', () => {
    const draft = draftOf(full);
    expect(patchOf(draft, { ...draft, name: `${draft.name} ` })).toEqual({});
  });

  it('names only what was changed, without the spaces around it', () => {
    const draft = draftOf(full);
    expect(patchOf(draft, { ...draft, name: ' Ana Lima ', cpf: '52998224725' })).toEqual({
      name: 'Ana Lima',
      cpf: '52998224725',
    });
  });

  it('takes out what was emptied', () => {
    const draft = draftOf(full);
    expect(patchOf(draft, { ...draft, phone: ' ' })).toEqual({ phone: null });
  });

  it('sends an address whole', () => {
    const draft = draftOf(full);
    const patch = patchOf(draft, { ...draft, address: { ...draft.address, number: '' } });
    expect(patch).toEqual({ address: { ...full.address, number: null } });
  });

  it('takes out an address that was emptied', () => {
    const draft = draftOf(full);
    expect(patchOf(draft, { ...draft, address: draftOf(profile).address })).toEqual({ address: null });
  });
});

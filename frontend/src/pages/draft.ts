import { addressFields, type Address, type Profile, type ProfilePatch } from '../api/types';

/** What stands in the form: text, empty where the profile has nothing. */
export interface Draft {
  name: string;
  birth_date: string;
  phone: string;
  cpf: string;
  address: Record<keyof Address, string>;
}

export function draftOf(profile: Profile): Draft {
  const address = Object.fromEntries(addressFields.map((field) => [field, profile.address?.[field] ?? '']));
  return {
    name: profile.name,
    birth_date: profile.birth_date ?? '',
    phone: profile.phone ?? '',
    cpf: profile.cpf ?? '',
    address: address as Draft['address'],
  };
}

/** Only what differs; a field that was emptied becomes null, and so does an address without any part. */
export function patchOf(before: Draft, after: Draft): ProfilePatch {
  const patch: ProfilePatch = {};
  if (after.name.trim() !== before.name) patch.name = after.name.trim();
  for (const field of ['birth_date', 'phone', 'cpf'] as const) {
    const value = after[field].trim();
    if (value !== before[field]) patch[field] = value === '' ? null : value;
  }
  const parts = addressFields.map((field) => [field, after.address[field].trim()] as const);
  if (parts.some(([field, value]) => value !== before.address[field])) {
    patch.address = parts.every(([, value]) => value === '')
      ? null
      : Object.fromEntries(parts.map(([field, value]) => [field, value === '' ? null : value]));
  }
  return patch;
}

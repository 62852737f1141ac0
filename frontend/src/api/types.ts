/** The outer interface of the platform, as its services answer it. */

export interface Tokens {
  access_token: string;
  refresh_token: string;
  token_type: 'Bearer';
  expires_in: number;
}

export interface Account {
  id: string;
  email: string;
  name: string;
}

export const addressFields = [
  'postal_code',
  'street',
  'number',
  'complement',
  'district',
  'city',
  'state',
  'country',
] as const;
export type AddressField = (typeof addressFields)[number];
export type Address = Record<AddressField, string | null>;

export interface Profile extends Account {
  birth_date: string | null;
  phone: string | null;
  cpf: string | null;
  address: Address | null;
  revision: number;
  created_at: string;
  updated_at: string;
}

export interface ProfilePatch {
  name?: string;
  birth_date?: string | null;
  phone?: string | null;
  cpf?: string | null;
  address?: Partial<Address> | null;
}

export interface Enrichment {
  user_id: string;
  revision: number;
  name: { full: string; first: string | null; last: string | null; initials: string | null } | null;
  email: { valid: boolean; normalized: string; domain: string | null; provider: string | null } | null;
  phone: {
    valid: boolean;
    e164: string | null;
    international: string | null;
    region: string | null;
    country: string | null;
    carrier: string | null;
    type: string | null;
    time_zones: string[];
  } | null;
  cpf: { valid: boolean; formatted: string | null; region: string | null } | null;
  age: { years: number; band: string } | null;
  avatar: { hash: string } | null;
  enriched_at: string;
}

export interface FieldError {
  field: string;
  code: string;
  message: string;
}

/** RFC 9457. */
export interface Problem {
  type: string;
  title: string;
  status: number;
  detail?: string;
  request_id?: string;
  errors?: FieldError[];
}

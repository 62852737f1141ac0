import type { FieldError, Problem } from './types';

/** An answer that is not a success. A request that got no answer at all has status 0. */
export class ApiError extends Error {
  readonly status: number;
  readonly requestId: string | undefined;
  readonly errors: readonly FieldError[];

  constructor(status: number, problem: Partial<Problem> = {}, requestId?: string) {
    super(problem.detail ?? problem.title ?? `status ${status}`);
    this.name = 'ApiError';
    this.status = status;
    this.requestId = problem.request_id ?? requestId;
    this.errors = Array.isArray(problem.errors) ? problem.errors : [];
  }
}

/** Reads a problem from an answer, whatever its body: a proxy on the way may answer with something else. */
export async function problemOf(response: Response): Promise<ApiError> {
  const requestId = response.headers.get('X-Request-ID') ?? undefined;
  let problem: Partial<Problem> = {};
  if (response.headers.get('Content-Type')?.includes('json')) {
    try {
      const body: unknown = await response.json();
      if (typeof body === 'object' && body !== null) problem = body;
    } catch {
      // The status says enough.
    }
  }
  return new ApiError(response.status, problem, requestId);
}

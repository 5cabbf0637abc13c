/** A mistake in what a person gave, which the page shows as it is: what is wrong, and what is allowed. */
export class InputError extends Error {}

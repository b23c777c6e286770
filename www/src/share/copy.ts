/** Copies a text; answers whether it could be done. What holds it is selected, so that it can be copied by hand. */
export async function copy(holder: HTMLInputElement): Promise<boolean> {
  holder.focus();
  holder.select();
  try {
    await navigator.clipboard.writeText(holder.value);
    return true;
  } catch {
    // It is refused, or the page is not served over HTTPS: what is selected may still be copied.
    return document.execCommand("copy");
  }
}

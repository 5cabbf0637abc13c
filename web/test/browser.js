/** The built page in headless Chromium. */

import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { preview } from 'vite';
import { chromium } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const CHROMIUM = process.env.CHROMIUM ?? '/usr/bin/chromium';

/** Serves the page on loopback: {url, close}. */
export async function serve() {
  const server = await preview({ preview: { port: 0, strictPort: false }, logLevel: 'error' });
  if (!server.httpServer.listening) await once(server.httpServer, 'listening');
  return { url: `http://127.0.0.1:${server.httpServer.address().port}/`, close: () => server.close() };
}

/** Starts Chromium, without what it would ask other hosts for by itself. */
export async function startBrowser() {
  if (!existsSync(CHROMIUM)) throw new Error(`there is no Chromium at ${CHROMIUM}: install it, or set CHROMIUM`);
  const quiet = ['--disable-background-networking', '--disable-component-update', '--disable-sync', '--no-first-run'];
  return chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox', '--disable-quic', ...quiet] });
}

/**
 * Opens the page in a window of its own.
 *
 * @returns {page, complaints}: what went wrong so far, which must stay empty: errors in the console, exceptions, and
 *   requests to another host.
 */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1200, height: 1000 }, ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(60_000);
  const complaints = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  context.on('request', (request) => {
    const asked = new URL(request.url());
    if (!['blob:', 'data:'].includes(asked.protocol) && asked.origin !== new URL(url).origin) {
      complaints.push(`asked ${asked.origin}`);
    }
  });
  await page.goto(url);
  return { page, context, complaints };
}

/** What axe finds that keeps people out: rules and where they are broken. */
export async function barriers(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map(({ id, help, nodes }) => `${id}: ${help}: ${nodes.map(({ html }) => html).slice(0, 3)}`);
}

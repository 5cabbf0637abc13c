import { defineConfig } from 'vite';

export default defineConfig({
  // Works from any folder of any static host.
  base: './',
  publicDir: process.env.PAGE_PUBLIC ?? 'public',
  build: { target: 'es2022', assetsInlineLimit: 0, outDir: process.env.PAGE_DIST ?? 'dist', emptyOutDir: true },
  worker: { format: 'es' },
  server: { host: '127.0.0.1' },
  preview: { host: '127.0.0.1', port: 8000 },
});

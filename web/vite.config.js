import { defineConfig } from 'vite';

export default defineConfig({
  // Works from any folder of any static host.
  base: './',
  build: { target: 'es2022', assetsInlineLimit: 0 },
  worker: { format: 'es' },
  server: { host: '127.0.0.1' },
  preview: { host: '127.0.0.1', port: 8000 },
});

import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [react()],
  build: {
    // Nothing inline: the page is served under `default-src 'self'`, which refuses data: URLs.
    assetsInlineLimit: 0,
    sourcemap: false,
    target: 'es2022',
  },
  server: {
    // `npm run dev` against a running platform: ALICERCE_URL=https://… NODE_EXTRA_CA_CERTS=…/ca.crt
    proxy: { '/api': { target: process.env.ALICERCE_URL ?? 'https://alicerce.test', changeOrigin: true } },
  },
  test: {
    environment: 'jsdom',
    setupFiles: ['src/testing/setup.ts'],
    restoreMocks: true,
    testTimeout: 20_000,
    unstubGlobals: true,
  },
});

// One person's way through the single-page application, in a real browser.
//
//   node journey.mjs OPTIONS.json
//
// Options: playwright (folder of playwright-core), chromium, home (has the NSS database that trusts the platform's CA),
// origin, address (where the origin's name leads to), out (folder for screenshots), person {name, email, password}.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const options = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const { chromium } = createRequire(path.join(options.playwright, 'package.json'))('playwright-core');
const { person } = options;
const name = new URL(options.origin).hostname;

const browser = await chromium.launch({
  executablePath: options.chromium,
  env: { ...process.env, HOME: options.home },
  // Root in a container has no sandbox of its own to offer.
  args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', `--host-resolver-rules=MAP ${name} ${options.address}`],
});
const context = await browser.newContext({ locale: 'pt-BR', viewport: { width: 1200, height: 900 } });
context.setDefaultTimeout(30_000);
const page = await context.newPage();

const complaints = [];
page.on('pageerror', (error) => complaints.push(`uncaught: ${error.message}`));
page.on('console', (message) => {
  // The browser itself reports answers such as the 404 before there is an enriched profile.
  if (message.type() === 'error' && !message.text().startsWith('Failed to load resource')) complaints.push(message.text());
});
page.on('request', (request) => {
  const { origin, protocol } = new URL(request.url());
  if (protocol !== 'data:' && origin !== options.origin) complaints.push(`request to another site: ${request.url()}`);
});
page.on('response', (response) => {
  if (response.status() >= 500) complaints.push(`${response.status()} from ${response.url()}`);
});

let steps = 0;
const step = async (what, action) => {
  const began = performance.now();
  await action();
  steps += 1;
  console.log(`${String(Math.round(performance.now() - began)).padStart(6)} ms  ${what}`);
};
const facts = page.getByRole('region', { name: 'O que descobrimos' });
const field = (label) => page.getByLabel(label, { exact: true });
const upToDate = (revision) => facts.locator(`[data-phase=ready][data-revision="${revision}"]`).waitFor();

try {
  await step('opens the application in the language of the browser', async () => {
    const answer = await page.goto(`${options.origin}/`);
    assert.equal(answer.status(), 200);
    assert.match(answer.headers()['content-security-policy'] ?? '', /default-src 'self'/);
    await page.getByRole('heading', { name: 'Entrar' }).waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), 'pt-BR');
  });

  await step('is refused with an account that does not exist', async () => {
    await field('E-mail').fill(person.email);
    await field('Senha').fill(person.password);
    await page.getByRole('button', { name: 'Entrar' }).click();
    await page.getByText('E-mail ou senha não conferem.').waitFor();
  });

  await step('signs up, and is logged in', async () => {
    await page.getByRole('link', { name: 'Criar conta' }).click();
    await field('Nome completo').fill(person.name);
    await field('E-mail').fill(person.email);
    await field('Senha').fill(person.password);
    await page.getByRole('button', { name: 'Criar conta' }).click();
    await page.getByRole('heading', { name: 'Seu perfil' }).waitFor();
    assert.equal(new URL(page.url()).pathname, '/profile');
    assert.equal(await field('E-mail').inputValue(), person.email);
  });

  await step('sees what was found out of name and e-mail', async () => {
    await facts.locator('[data-phase=ready]').waitFor();
    await facts.getByText('Maria Clara dos Santos').waitFor();
    await facts.getByText('Domínio próprio').waitFor();
  });

  await step('is told beside the field what is wrong with a CPF', async () => {
    await field('CPF').fill('529.982.247-26');
    await page.getByRole('button', { name: 'Salvar' }).click();
    await page.getByText('Este CPF não é válido: confira os dígitos.').waitFor();
    assert.equal(await field('CPF').getAttribute('aria-invalid'), 'true');
  });

  let revision;
  await step('completes the profile', async () => {
    await field('CPF').fill('529.982.247-25');
    await field('Data de nascimento').fill('1990-05-17');
    await field('Telefone').fill('+55 21 99999-0000');
    await field('CEP ou código postal').fill('20040-002');
    await field('Rua').fill('Avenida Rio Branco');
    await field('Número').fill('1');
    await field('Bairro').fill('Centro');
    await field('Cidade').fill('Rio de Janeiro');
    await field('Estado').fill('RJ');
    await field('País').selectOption('BR');
    const saved = page.waitForResponse((response) => response.request().method() === 'PATCH' && response.ok());
    await page.getByRole('button', { name: 'Salvar' }).click();
    revision = (await (await saved).json()).revision;
    await page.getByText('Perfil salvo.').waitFor();
  });

  await step('watches the enriched data appear', async () => {
    await upToDate(revision);
    for (const text of ['529.982.247-25', 'Emitido em ES, RJ', '+55 21 99999-0000', 'Rio de Janeiro · BR', 'celular · Vivo']) {
      await facts.getByText(text).waitFor();
    }
    await facts.getByText(/^\d+ anos \(faixa \d\d-\d\d\)$/).waitFor();
    await page.screenshot({ path: path.join(options.out, 'profile.png'), fullPage: true });
  });

  await step('reads the same in English', async () => {
    await page.getByRole('button', { name: 'English' }).click();
    await page.getByRole('heading', { name: 'Your profile' }).waitFor();
    await page.getByText('Issued in ES, RJ').waitFor();
    assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  });

  await step('is still logged in, in English, after a reload', async () => {
    await page.reload();
    await page.getByRole('heading', { name: 'Your profile' }).waitFor();
    await page.getByText('+55 21 99999-0000').waitFor();
    assert.equal(await field('City').inputValue(), 'Rio de Janeiro');
  });

  await step('logs out, and stays so', async () => {
    await page.getByRole('button', { name: 'Log out' }).click();
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    await page.goto(`${options.origin}/profile`);
    await page.getByRole('heading', { name: 'Log in' }).waitFor();
    assert.equal(await page.evaluate(() => sessionStorage.length), 0);
  });

  await step('comes back on a telephone in the dark', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 390, height: 844 });
    await field('E-mail').fill(person.email);
    await field('Password').fill(person.password);
    await page.getByRole('button', { name: 'Log in' }).click();
    await page.getByText('Issued in ES, RJ').waitFor();
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
    await page.screenshot({ path: path.join(options.out, 'telephone.png'), fullPage: true });
  });

  assert.deepEqual(complaints, []);
  console.log(`${steps} steps`);
} catch (error) {
  const picture = path.join(options.out, 'failure.png');
  await page.screenshot({ path: picture, fullPage: true }).catch(() => undefined);
  console.error(error);
  console.error(`at ${page.url()}; complaints: ${JSON.stringify(complaints)}; screenshot: ${picture}`);
  process.exitCode = 1;
} finally {
  await browser.close();
}

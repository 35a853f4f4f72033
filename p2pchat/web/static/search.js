// @ts-check
/** What was said anywhere: words, results, and the way to their place. */
import { Component, html } from './vendor/preact-htm.js';
import { icon, submitted } from './line.js';
import { nameOf } from './talk.js';
import { moment, shown, t, visible, whole } from './words.js';

export class Search extends Component {
  componentDidMount() { /** @type {any} */ (this).base.querySelector('input').focus(); }

  render({ app }) {
    const { found, model } = app;
    const ask = submitted(({ words, where }) => app.search(words.value, where.value));
    return html`<section id="search" aria-label=${t('search')}><form onSubmit=${ask}>
        <input id="words" name="words" type="search" aria-label=${t('words')} placeholder=${t('words')} value=${found.words} />
        <select id="where" name="where" aria-label=${t('where')}><option value="">${t('everywhere')}</option>
          ${model.current && html`<option value=${model.current} selected=${found.where === model.current}>${t('in_here', { name: nameOf(app, model.current) })}</option>`}</select>
        <button class="main" type="submit">${t('search')}</button>
        <button id="close-search" type="button" class="icon" aria-label=${t('close')} onClick=${() => app.back()}>${icon('close')}</button></form>
      ${found.error && html`<p class="wrong" role="alert">${found.error}</p>`}
      ${found.lines && !found.lines.length && html`<p id="search-none" role="status" class="empty">${t('nothing_found')}</p>`}
      <ol id="results">${(found.lines ?? []).map((line) => html`<li key=${line.key}><button class="result" data-id=${line.id}
          onClick=${() => app.open(line.conversation, line.id)}>
        <span class="top"><bdi class="name">${line.own ? t('you') : shown(line.from)}</bdi> <span>${t('in')} <bdi>${nameOf(app, line.conversation)}</bdi></span>
          <time title=${whole(line.at)}>${moment(line.at)}</time></span>
        <span class="text" dir="auto">${visible(line.text.slice(0, 400))}</span></button></li>`)}</ol>
      ${found.more && html`<button id="search-more" class="link" onClick=${() => app.search(found.words, found.where, found.lines.at(-1).id)}>${t('more_found')}</button>`}
    </section>`;
  }
}

// Fetches the OpenAPI document for whoever the token stands for and shows it. The token stays in this page: it is
// kept nowhere and sent to nobody but the API that served the page.
'use strict'

const api = new URL('../rest/v1', location.href).href
const element = (id) => document.getElementById(id)
let token = ''
let ui

async function show() {
  const headers = { Accept: 'application/openapi+json' }
  token = element('token').value.trim()
  const schema = element('schema').value.trim()
  if (token) headers.Authorization = `Bearer ${token}`
  if (schema) headers['Accept-Profile'] = schema
  element('status').textContent = ''
  try {
    const answer = await fetch(`${api}/`, { headers })
    const contract = await answer.json()
    if (!answer.ok) {
      element('status').textContent = [contract.code, contract.message, contract.hint].filter(Boolean).join(': ')
      return
    }
    render(contract)
  } catch (error) {
    element('status').textContent = `The API does not answer: ${error.message}`
  }
}

function render(contract) {
  document.title = contract.info.title
  // What is tried is tried here, also where the document names the address of a proxy.
  contract.servers = [{ url: api }]
  if (ui) {
    ui.specActions.updateSpec(JSON.stringify(contract))
    return
  }
  ui = SwaggerUIBundle({
    spec: contract,
    domNode: element('api'),
    docExpansion: Object.keys(contract.paths).length > 30 ? 'none' : 'list',
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    filter: true,
    persistAuthorization: false,
    validatorUrl: null,
    requestInterceptor: (request) => {
      if (token && !request.headers.Authorization && request.url.startsWith(`${api}/`)) {
        request.headers.Authorization = `Bearer ${token}`
      }
      return request
    },
  })
}

element('caller').addEventListener('submit', (event) => {
  event.preventDefault()
  show()
})
show()

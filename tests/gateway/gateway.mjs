// A Wechaty gateway for tests: the stock PuppetServer over the stock PuppetMock, on loopback.
// A second, HTTP port lets tests speak as members. What the account sends is appended to a file,
// one JSON object a line, so that it outlives a killed gateway.
//
// Environment: GATEWAY_PORT, GATEWAY_TOKEN, GATEWAY_SENT (file), GATEWAY_WORLD (JSON),
// GATEWAY_CERT and GATEWAY_KEY (files; plain text without), GATEWAY_START=1 (log in at once).
// Prints {"control": port} once it is ready.
import fs from 'node:fs'
import http from 'node:http'

import { FileBox } from 'file-box'
import { PuppetMock, mock } from 'wechaty-puppet-mock'
import { PuppetServer } from 'wechaty-puppet-service'

const env = process.env
const world = JSON.parse(env.GATEWAY_WORLD)
const record = (kind, conversation, body, mentions = []) =>
  fs.appendFileSync(env.GATEWAY_SENT, JSON.stringify({ kind, conversation, body, mentions }) + '\n')

const TYPES = { image: 6, text: 7, mini_program: 9, url: 14 }
const mocker = new mock.Mocker()
const cards = new Map()
let count = 0

// The mock has no cards; a message of another type is made by hand and announced like any other.
function post (talker, room, type, card, fields = {}) {
  const id = `posted-${process.pid}-${++count}`
  cards.set(id, card)
  mocker.MessageMock.create({
    id, talkerId: talker, roomId: room, timestamp: Date.now(), type: TYPES[type] ?? type, ...fields,
  })
  puppet.emit('message', { messageId: id })
  return id
}

class Puppet extends PuppetMock {
  async messageSendText (conversation, text, mentions) {
    record('text', conversation, text, mentions)
    return super.messageSendText(conversation, text, mentions)
  }

  async messageSendFile (conversation, file) {
    const bytes = await file.toBuffer()
    record('image', conversation, { name: file.name, base64: bytes.toString('base64') })
    return super.messageSendFile(conversation, file)
  }

  async messageSendUrl (conversation, link) {
    record('link', conversation, link)
    return post(this.currentUserId, conversation, 'url', link)
  }

  async messageSendMiniProgram (conversation, card) {
    record('mini_program', conversation, card)
    return post(this.currentUserId, conversation, 'mini_program', card)
  }

  async messageUrl (id) { return cards.get(id) ?? super.messageUrl(id) }
  async messageMiniProgram (id) { return cards.get(id) ?? super.messageMiniProgram(id) }
}

const puppet = new Puppet({ mocker })
puppet.on('error', () => {}) // told to clients as an event; without a listener it ends the process
for (const { id, name } of world.people) mocker.createContact({ id, name, alias: '', friend: true })
for (const { id, topic, owner, members } of world.rooms) {
  mocker.createRoom({ id, topic, ownerId: owner, memberIdList: [...members], adminIdList: [] })
}
mocker.use(() => {
  if (!puppet.isLoggedIn) puppet.login(world.self)
  puppet.emit('ready', { data: 'ready' })
  return () => {}
})

const person = id => mocker.ContactMock.load(id)
const room = id => mocker.RoomMock.load(id)
const control = {
  '/say': a => person(a.from).say(a.text, (a.mentions ?? []).map(person)).to(room(a.room)),
  '/direct': a => person(a.from).say(a.text).to(person(a.to)),
  '/image': a => person(a.from).say(FileBox.fromBase64(a.base64, a.name)).to(room(a.room)),
  '/post': a => post(a.from, a.room, a.type, a.card, a.fields),
  '/person': a => mocker.createContact({ id: a.id, name: a.name, alias: '' }),
  '/room': a => mocker.createRoom({
    id: a.id, topic: a.topic, ownerId: a.owner, memberIdList: a.members, adminIdList: [],
  }),
  '/join': a => room(a.room).add(...a.members.map(person)).by(person(a.by)),
  '/leave': a => room(a.room).remove(...a.members.map(person)).by(person(a.by)),
  '/topic': a => room(a.room).topic(a.topic).by(person(a.by)),
  '/emit': a => puppet.emit(a.event, a.payload),
  '/logout': a => puppet.logout(a.why),
  '/login': a => puppet.login(a.id ?? world.self),
  '/state': () => ({ loggedIn: puppet.isLoggedIn, on: puppet.state.active() }),
}

const secure = Boolean(env.GATEWAY_CERT)
const server = new PuppetServer({
  endpoint: `127.0.0.1:${env.GATEWAY_PORT}`,
  puppet,
  token: env.GATEWAY_TOKEN,
  tls: secure
    ? {
        serverCert: fs.readFileSync(env.GATEWAY_CERT, 'utf8'),
        serverKey: fs.readFileSync(env.GATEWAY_KEY, 'utf8'),
      }
    : { disable: true },
})
await server.start()
if (env.GATEWAY_START === '1') await puppet.start()

http.createServer(async (request, response) => {
  try {
    let body = ''
    for await (const part of request) body += part
    const found = await control[request.url](JSON.parse(body || '{}'))
    response.end(JSON.stringify(request.url === '/state' ? found : {}))
  } catch (error) {
    response.statusCode = 500
    response.end(String(error?.stack ?? error))
  }
}).listen(0, '127.0.0.1', function () {
  console.log(JSON.stringify({ control: this.address().port }))
})

import Foundation
import OnnxRuntime
import SparseAttention
import Testing
import VideoPipeline

@Suite struct AdapterTests {
  let text: String
  let adapter: Adapter

  init() throws {
    let path = "\(Fixture.package)/Adapters/in-context-editor.yaml"
    text = try String(contentsOfFile: path, encoding: .utf8)
    adapter = try Adapter(yaml: text, file: path)
  }

  /// The editor's interface as its exporter wrote it; `patched` adds what patching adds.
  static func editor(patched: Bool = false, size: [ModelInterface.Dim]? = nil) -> ModelInterface {
    let size = size ?? [.symbolic("F"), .symbolic("8*h"), .symbolic("8*w")]
    let video = [.symbolic("B"), .fixed(3)] + size
    func port(_ name: String, _ type: ElementType, _ dims: [ModelInterface.Dim]) -> ModelInterface.Port {
      ModelInterface.Port(name: name, type: type, dims: dims)
    }
    return ModelInterface(
      inputs: [
        port("sample", .float32, video), port("source", .float32, video), port("timestep", .float32, [.symbolic("B")]),
        port("edit", .int64, [.symbolic("B")]),
      ] + (patched ? [port("isa.point", .int64, [])] : []),
      outputs: [port("velocity", .float32, video)]
        + (patched ? [port("isa.statistics/blocks.0", .float32, [.unknown, .fixed(3), .fixed(4)])] : []))
  }

  @Test(arguments: [false, true])
  func theEditorIsRecognised(patched: Bool) throws {
    let library = AdapterLibrary(adapters: [adapter])
    let match = try #require(try library.recognise(Self.editor(patched: patched)))
    #expect(match.adapter.name == "in-context-editor")
    #expect(match.types["edit"] == .int64)
    #expect(match.axes == ["B": .symbolic("B"), "F": .symbolic("F"), "H": .symbolic("8*h"), "W": .symbolic("8*w")])
    let segments = try #require(match.graphSegments)
    #expect(segments.map(\.kind) == [.target, .context])
    #expect(segments[1].length == "F*((8*h)//8)*((8*w)//8)")
    #expect(segments[0].grid == ["F", "(8*h)//8", "(8*w)//8"])
  }

  @Test func segmentsFollowFromTheSize() throws {
    let dimensions = try adapter.dimensions(frames: 5, width: 96, height: 64)
    let grid = Grid(frames: 5, rows: 8, columns: 12)
    #expect(
      try adapter.segments(dimensions) == [
        Segment(.target, length: 480, grid: grid), Segment(.context, length: 480, grid: grid),
      ])
  }

  @Test func aSizeThatDoesNotSuitTheModelIsRefused() throws {
    let error = #expect(throws: AdapterError.self) { try adapter.dimensions(frames: 8, width: 128, height: 100) }
    #expect(error?.exitCode == 64)
    #expect(error?.message == "The height 100 does not suit in-context-editor; give a positive multiple of 8.")
    #expect(throws: AdapterError.self) { try adapter.dimensions(frames: 0, width: 128, height: 128) }
  }

  @Test func aModelOfFixedSizeAcceptsThatSizeAlone() throws {
    let match = try adapter.match(Self.editor(size: [.fixed(8), .fixed(128), .fixed(192)]))
    #expect(match.graphSegments?[0].length == "8*(128//8)*(192//8)")
    #expect(try match.dimensions(frames: 8, width: 192, height: 128) == ["B": 1, "F": 8, "H": 128, "W": 192])
    let error = #expect(throws: AdapterError.self) { try match.dimensions(frames: 9, width: 192, height: 128) }
    #expect(error?.exitCode == 78)
  }

  @Test func whatTheGraphDoesNotStateHasNoSegments() throws {
    let match = try adapter.match(Self.editor(size: [.unknown, .symbolic("h"), .symbolic("w")]))
    #expect(match.graphSegments == nil)
  }

  /// Each difference alone is enough.
  @Test func otherModelsAreNotRecognised() throws {
    let editor = Self.editor()
    var others: [(ModelInterface, String)] = []
    for index in editor.inputs.indices {
      var other = editor
      other.inputs.remove(at: index)
      others.append((other, "no input '\(editor.inputs[index].name)'"))
      other = editor
      other.inputs[index].type = .int8
      others.append((other, "is not"))
      other = editor
      other.inputs[index].dims = [.fixed(3), .fixed(3)]
      others.append((other, "dimensions, not"))
    }
    var more = editor
    more.inputs.append(.init(name: "text", type: .float32, dims: nil))
    others.append((more, "the input 'text'"))
    more = editor
    more.outputs.append(.init(name: "depth", type: .float32, dims: nil))
    others.append((more, "the output 'depth'"))
    others.append((Self.editor(size: [.fixed(8), .fixed(100), .fixed(64)]), "not a multiple of 8"))
    more = editor
    more.inputs[0].dims?[1] = .fixed(4)
    others.append((more, "is 4, not 3"))
    more = Self.editor(size: [.fixed(8), .fixed(64), .fixed(64)])
    more.inputs[1].dims?[2] = .fixed(9)
    others.append((more, "F is 8 and 9"))
    for (other, reason) in others {
      let error = #expect(throws: AdapterError.self) { try adapter.match(other) }
      #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
      #expect(error?.exitCode == 78)
      #expect(try AdapterLibrary(adapters: [adapter]).recognise(other) == nil)
    }
  }

  @Test func conditionsGoByNumberOrName() throws {
    #expect(try adapter.condition("5").name == "mirror")
    #expect(try adapter.condition("motion-recolour").id == 8)
    let error = #expect(throws: AdapterError.self) { try adapter.condition("10") }
    #expect(error?.exitCode == 64)
  }

  /// Each change of the file, with the line that the error has to name.
  @Test(
    arguments: [
      ("description:", "descriptions:", 4, "unknown key"),
      ("schema: isa-patch/adapter/1", "schema: isa-patch/adapter/2", 2, "this version reads"),
      ("name: in-context-editor", "name: [a]", 3, "single value"),
      ("role: sample", "role: samples", 7, "'samples' is not known"),
      ("role: source", "role: sample", 7, "exactly one input"),
      ("dims: [B]}", "dims: [B], more: 1}", 9, "unknown key"),
      ("type: int64", "type: int63", 10, "int63"),
      ("meaning: frames", "meaning: batch", 15, "no axis means frames"),
      ("input: sample, position: 2", "input: sample, position: 3", 15, "is not what sample has"),
      ("kind: context", "kind: target", 22, "exactly one segment"),
      ("grid: [F, H/8, W/8]", "grid: [F, H/8]", 22, "three expressions"),
      ("length: F*(H/8)*(W/8)", "length: F*(H/8)*(W/8", 22, "not an expression"),
      ("length: F*(H/8)*(W/8)", "length: F*(X/8)*(W/8)", 22, "uses X"),
      ("length: F*(H/8)*(W/8)", "length: F*(H/8)", 27, "default size"),
      ("sampler: flow-euler", "sampler: heun", 25, "'heun' is not known"),
      ("black: -1", "black: x", 26, "should be a number"),
      ("steps: 12", "steps: 0", 27, "from 1 to 10000"),
      ("  1: posterise", "  0: posterise", 30, "given twice"),
      ("  1: posterise", "  one: posterise", 31, "edit's number"),
      ("  1: posterise", "  1: &x posterise", 31, "anchors"),
      ("  1: posterise", "  1: [", nil, "not YAML"),
      ("sampler: flow-euler\n", "", nil, "'sampler' is missing"),
    ] as [(String, String, Int?, String)])
  func errorsNameTheLine(what: String, with other: String, line: Int?, reason: String) throws {
    let range = try #require(text.range(of: what))
    let changed = text.replacingCharacters(in: range, with: other)
    let error = #expect(throws: AdapterError.self) { try Adapter(yaml: changed, file: "x.yaml") }
    guard case .schema(let schema)? = error else { throw Unexpected() }
    #expect(schema.what.contains(reason), "\(schema.message)")
    if let line { #expect(schema.line == line, "\(schema.message)") }
    #expect(error?.exitCode == 78)
  }

  struct Unexpected: Error {}

  @Test(arguments: ["", "- a", "text", "\u{0}", "a: b: c", String(repeating: "[", count: 5000)])
  func whatIsNoAdapterIsRefused(text: String) {
    #expect(throws: AdapterError.self) { try Adapter(yaml: text, file: "x.yaml") }
  }

  /// Every prefix of the file ends in an error or, where only conditions are cut, in an adapter; never worse.
  @Test func aFileCutOffAnywhereIsHandled() throws {
    let conditions = try #require(text.range(of: "defaults:"))
    let safe = text.utf8.distance(from: text.startIndex, to: conditions.lowerBound)
    for length in stride(from: 0, to: safe, by: 7) {
      #expect(throws: AdapterError.self) { try Adapter(yaml: String(text.utf8.prefix(length)) ?? "", file: "x.yaml") }
    }
  }
}

import Foundation
import ONNXGraph
import TestSupport
import Testing

/// Files that nobody should send: each ends in a typed error or in a model, never in a crash.
@Suite struct HostileModelTests {
  @Test(arguments: Fixtures.names)
  func truncationAtEveryByte(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    var errors = 0
    for count in 0..<bytes.count {
      guard let error = loadError(Array(bytes.prefix(count)), path: Fixtures.path(name)) else { continue }
      errors += 1
      #expect(error.category == .data)
      #expect(!error.message.isEmpty)
    }
    // Cuts between the outermost fields may leave a model; the graph's own cuts cannot.
    #expect(errors > bytes.count * 9 / 10)
  }

  @Test(arguments: Fixtures.names)
  func changedBytes(name: String) throws {
    let bytes = try Fixtures.bytes(name)
    var generator = SeededGenerator(UInt64(name.utf8.count))
    for _ in 0..<3000 {
      var changed = bytes
      // Few enough that many still load.
      for _ in 0..<Int.random(in: 1...2, using: &generator) {
        changed[Int.random(in: changed.indices, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      do throws(ModelError) {
        let model = try Model.load(bytes: changed, path: Fixtures.path(name))
        // What loads can be walked to the end as well.
        _ = ShapeInference(model)
      } catch {
        #expect(error.category == .data)
      }
    }
  }

  @Test func notONNX() throws {
    for text in ["hello world, this is no model", "{\"a\": 1}", "\u{89}PNG\r\n", "PK\u{3}\u{4}", "<html></html>"] {
      let error = loadError(Array(text.utf8))
      #expect(
        error == .notONNX(path: "/nowhere/model.onnx") || error == .truncated(path: "/nowhere/model.onnx", offset: 0))
      #expect(error?.category.exitCode == 65)
    }
    #expect(loadError([]) == .empty(path: "/nowhere/model.onnx"))
    #expect(loadError(Proto().int(1, 8).bytes) == .notONNX(path: "/nowhere/model.onnx"))
  }

  @Test func noSuchFileAndNoFile() throws {
    let folder = try TemporaryFolder()
    #expect(loadError(path: folder.path("absent.onnx")) == .noSuchFile(path: folder.path("absent.onnx")))
    #expect(loadError(path: folder.path("absent.onnx"))?.category.exitCode == 66)
    #expect(loadError(path: folder.url.path) == .notAFile(path: folder.url.path))
    #expect(mkfifo(folder.path("pipe.onnx"), 0o600) == 0)
    #expect(loadError(path: folder.path("pipe.onnx")) == .notAFile(path: folder.path("pipe.onnx")))
    #expect(loadError(path: "/dev/zero") == .notAFile(path: "/dev/zero"))
  }

  @Test func moreThanTwoGibibytes() throws {
    let folder = try TemporaryFolder()
    let path = folder.path("large.onnx")
    _ = FileManager.default.createFile(atPath: path, contents: nil)
    // Sparse: takes no room on the disk.
    #expect(truncate(path, 1 << 31) == 0)
    #expect(loadError(path: path) == .tooLarge(path: path, bytes: 1 << 31))
    #expect(loadError(path: path)?.message.contains("external data") == true)
  }

  // MARK: Tensors

  @Test func dimensionsThatAreNegativeOrOverflow() {
    for dims in [[-1], [1 << 40, 1 << 40], [Int64.max, 2], [0, Int64.max, Int64.max], [1 << 61]] as [[Int64]] {
      let bytes = Proto.model(Proto.graph([Proto.relu], initializers: [Proto.tensor("w", dims: dims, raw: [])]))
      guard case .invalidTensor(let name, _)? = loadError(bytes) else {
        Issue.record("\(dims) were taken")
        continue
      }
      #expect(name == "w")
    }
  }

  @Test func tensorsThatClaimMoreThanTheyHold() {
    for tensor in [
      Proto.tensor("w", dims: [1 << 30], raw: [1, 2, 3, 4]), Proto.tensor("w", dims: [2], raw: [1, 2, 3]),
    ] {
      guard case .invalidTensor? = loadError(Proto.model(Proto.graph([Proto.relu], initializers: [tensor]))) else {
        Issue.record("a tensor without its data was taken")
        continue
      }
    }
  }

  /// Where a tensor may stand: each place is checked.
  static let places: [(String, @Sendable (Proto) -> Proto)] = [
    ("initializer", { Proto.graph([Proto.relu], initializers: [$0]) }),
    (
      "Constant attribute",
      {
        Proto.graph([Proto.relu, Proto.node("Constant", [], ["k"], attributes: [Proto.attribute("value", tensor: $0)])])
      }
    ),
    (
      "list of tensors",
      {
        Proto.graph([
          Proto.relu, Proto.node("K", [], ["k"], attributes: [Proto().text(1, "ts").message(10, $0).int(20, 9)]),
        ])
      }
    ),
    (
      "sparse initializer",
      {
        Proto.graph([Proto.relu]).message(15, Proto().message(1, $0).message(2, Proto.tensor("i", type: 7, dims: [0])))
      }
    ),
    (
      "sparse indices",
      { Proto.graph([Proto.relu]).message(15, Proto().message(1, Proto.tensor("v", dims: [0])).message(2, $0)) }
    ),
    (
      "sparse attribute",
      {
        Proto.graph([
          Proto.relu,
          Proto.node(
            "Constant", [], ["k"],
            attributes: [Proto().text(1, "sparse_value").message(22, Proto().message(1, $0)).int(20, 11)]),
        ])
      }
    ),
    (
      "subgraph",
      { tensor in
        let branch = Proto.graph([Proto.node("Relu", ["x"], ["t"])], inputs: [], outputs: ["t"], initializers: [tensor])
        return Proto.graph([Proto.node("If", ["x"], ["y"], attributes: [Proto.attribute("then_branch", graph: branch)])]
        )
      }
    ),
  ]

  @Test(arguments: [
    "/etc/passwd", "../secret", "a/../../secret", "..", ".", "", "./..", "a\\..\\b", "*/_ORT_MEM_ADDR_/*", "nul\0byte",
  ])
  func externalDataOutsideTheFolder(location: String) {
    for (place, wrap) in Self.places {
      let tensor = Proto.external("w", [("location", location), ("offset", "0"), ("length", "16")])
      guard case .externalDataOutside(_, location, _)? = loadError(Proto.model(wrap(tensor))) else {
        Issue.record("\(location) was taken in a \(place)")
        continue
      }
    }
  }

  @Test func linksThatLeaveTheFolder() throws {
    let outside = try TemporaryFolder()
    try outside.write([UInt8](repeating: 7, count: 16), to: "secret.bin")
    let folder = try TemporaryFolder()
    let manager = FileManager.default
    try manager.createSymbolicLink(atPath: folder.path("file"), withDestinationPath: outside.path("secret.bin"))
    try manager.createSymbolicLink(atPath: folder.path("folder"), withDestinationPath: outside.url.path)
    try manager.createSymbolicLink(atPath: folder.path("loop"), withDestinationPath: folder.path("loop"))
    #expect(link(outside.path("secret.bin"), folder.path("hard")) == 0)
    #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
    try manager.createDirectory(atPath: folder.path("inside"), withIntermediateDirectories: false)
    for location in ["file", "folder/secret.bin", "loop", "hard", "pipe", "inside"] {
      let graph = Proto.graph([Proto.relu], initializers: [Proto.external("w", [("location", location)])])
      let path = try folder.write(Proto.model(graph), to: "m.onnx")
      guard case .externalDataOutside("w", location, _)? = loadError(path: path) else {
        Issue.record("\(location) was taken")
        continue
      }
    }
  }

  @Test func linksThatStayInside() throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 16), to: "data.bin")
    try FileManager.default.createSymbolicLink(atPath: folder.path("alias"), withDestinationPath: "data.bin")
    let graph = Proto.graph([Proto.relu], initializers: [Proto.external("w", [("location", "alias")])])
    let model = try Model.load(path: try folder.write(Proto.model(graph), to: "m.onnx"))
    #expect(model.index.initializer("w")?.floatValues() == [0, 0, 0, 0])
  }

  @Test(
    arguments: [
      [("offset", "-1")], [("offset", "17")], [("offset", "8"), ("length", "16")], [("length", "4611686018427387904")],
      [("offset", "18446744073709551615"), ("length", "16")],
      [("offset", "9223372036854775807"), ("length", "9223372036854775807")],
      [("length", "4")], [("offset", "0x0")], [("length", "")],
    ] as [[(String, String)]])
  func externalDataThatIsNotThere(entries: [(String, String)]) throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 16), to: "data.bin")
    let tensor = Proto.external("w", [("location", "data.bin")] + entries)
    let path = try folder.write(Proto.model(Proto.graph([Proto.relu], initializers: [tensor])), to: "m.onnx")
    guard case .externalDataRange("w", "data.bin", _)? = loadError(path: path) else {
      Issue.record("\(entries) were taken")
      return
    }
  }

  /// Weights are not needed to read a graph.
  @Test func absentExternalDataIsMissedWhenRead() throws {
    let graph = Proto.graph([Proto.relu], initializers: [Proto.external("w", [("location", "absent.bin")])])
    let model = try Model.load(bytes: Proto.model(graph), path: "/nowhere/m.onnx")
    #expect(model.index.initializer("w")?.floatValues() == nil)
  }

  // MARK: Structure

  private func nested(_ depth: Int) -> Proto {
    var graph = Proto.graph([Proto.relu], inputs: depth == 1 ? ["x"] : [])
    for level in 1..<depth {
      let node = Proto.node("If", ["x"], ["y"], attributes: [Proto.attribute("then_branch", graph: graph)])
      graph = Proto.graph([node], inputs: level == depth - 1 ? ["x"] : [])
    }
    return graph
  }

  @Test func nesting() {
    #expect(loadError(Proto.model(nested(Model.nestingLimit))) == nil)
    for depth in [Model.nestingLimit + 1, 80, 200, 1000, 5000] {
      switch loadError(Proto.model(nested(depth))) {
      case .nestedTooDeeply?, .malformed?: break
      case let other: Issue.record("depth \(depth): \(String(describing: other))")
      }
    }
  }

  @Test func duplicateNames() {
    let twice = Proto.graph([Proto.relu, Proto.node("Neg", ["x"], ["y"])])
    #expect(loadError(Proto.model(twice)) == .duplicateName(name: "y", where: ""))
    let input = Proto.graph([Proto.node("Relu", ["x"], ["x"])], outputs: ["x"])
    #expect(loadError(Proto.model(input)) == .duplicateName(name: "x", where: ""))
    let tensor = Proto.tensor("w", dims: [0])
    let initializers = Proto.graph([Proto.relu], initializers: [tensor, tensor])
    #expect(loadError(Proto.model(initializers)) == .duplicateName(name: "w", where: ""))
    let function = Proto.function("F", [Proto.relu])
    let functions = Proto.model(Proto.graph([Proto.relu]), functions: [function, function])
    #expect(loadError(functions) == .duplicateName(name: "local.F", where: "the list of functions"))
  }

  @Test func circlesOfNodes() {
    let itself = Proto.graph([Proto.node("Add", ["x", "y"], ["y"], name: "self")])
    #expect(loadError(Proto.model(itself)) == .cycle(where: "self"))
    let pair = Proto.graph([
      Proto.node("Add", ["x", "b"], ["a"], name: "first"), Proto.node("Relu", ["a"], ["b"], name: "second"),
      Proto.node("Neg", ["b"], ["y"], name: "reader"),
    ])
    guard case .cycle(let place)? = loadError(Proto.model(pair)) else {
      Issue.record("a circle was taken")
      return
    }
    #expect(["first", "second"].contains(place))
    let branch = Proto.graph([Proto.node("Relu", ["y"], ["t"])], inputs: [], outputs: ["t"])
    let captured = Proto.graph([
      Proto.node("If", ["x"], ["y"], name: "if", attributes: [Proto.attribute("then_branch", graph: branch)])
    ])
    #expect(loadError(Proto.model(captured)) == .cycle(where: "if"))
  }

  @Test func circlesOfFunctions() {
    func calling(_ name: String, _ callee: String) -> Proto {
      Proto.function(name, [Proto.node(callee, ["x"], ["y"], domain: "local")])
    }
    let call = Proto.graph([Proto.node("A", ["x"], ["y"], domain: "local")])
    for functions in [[calling("A", "A")], [calling("A", "B"), calling("B", "A")]] {
      guard case .cycle? = loadError(Proto.model(call, functions: functions)) else {
        Issue.record("a circle of functions was taken")
        continue
      }
    }
    let long = (0..<5000).map { calling("F\($0)", "F\($0 + 1)") } + [Proto.function("F5000", [Proto.relu])]
    guard case .invalidGraph? = loadError(Proto.model(call, functions: long + [calling("A", "F0")])) else {
      Issue.record("5000 nested calls were taken")
      return
    }
  }

  /// Sixty functions that each call the next one twice would be 2⁶⁰ bodies.
  @Test func functionsThatMultiply() throws {
    let functions = (0..<60).map { level in
      Proto.function(
        "F\(level)",
        level == 59
          ? [Proto.relu]
          : [
            Proto.node("F\(level + 1)", ["x"], ["h"], domain: "local"),
            Proto.node("F\(level + 1)", ["h"], ["y"], domain: "local"),
          ])
    }
    let call = Proto.graph([Proto.node("F0", ["x"], ["y"], domain: "local")])
    let model = try Model.load(bytes: Proto.model(call, functions: functions), path: "/nowhere/m.onnx")
    #expect(!ShapeInference(model).graphs.isEmpty)
  }

  @Test func namesThatNothingDefines() {
    let input = Proto.graph([Proto.node("Add", ["x", "ghost"], ["y"], name: "add")])
    #expect(
      loadError(Proto.model(input)) == .invalidGraph(where: "add", reason: "it reads 'ghost', which nothing defines"))
    let output = Proto.graph([Proto.relu], outputs: ["ghost"])
    #expect(loadError(Proto.model(output)) == .invalidGraph(where: "", reason: "its output 'ghost' is made by no node"))
  }

  @Test func namesThatAreNotUTF8() {
    let node = Proto().text(1, "x").raw(2, [0xff, 0xfe]).text(4, "Relu")
    guard case .notUTF8? = loadError(Proto.model(Proto.graph([node]))) else {
      Issue.record("a broken name was taken")
      return
    }
  }

  @Test func messagesAreBoundedAndPrintable() {
    let name = String(repeating: "\u{1b}[31m", count: 10_000)
    let bytes = Proto.model(Proto.graph([Proto.relu], initializers: [Proto.tensor(name, dims: [-1])]))
    let message = loadError(bytes)?.message ?? ""
    #expect(message.count < 400 && message.count > 20)
    #expect(!message.unicodeScalars.contains { $0.value < 0x20 })
  }

  /// Shapes whose sizes overflow on the way are unknown, not a trap.
  @Test func sizesThatOverflowInTheGraph() throws {
    let huge = Proto.tensor("huge", type: 7, dims: [3], raw: [UInt8](repeating: 0x7f, count: 24))
    let nodes = [
      Proto.node("ConstantOfShape", ["huge"], ["a"]), Proto.node("Reshape", ["a", "huge"], ["b"]),
      Proto.node("Expand", ["a", "huge"], ["c"]), Proto.node("Tile", ["a", "huge"], ["d"]),
      Proto.node("Mul", ["huge", "huge"], ["e"]),
      Proto.node("Concat", ["a", "a"], ["f"], attributes: [Proto().text(1, "axis").int(3, 0).int(20, 2)]),
      Proto.node("Flatten", ["a"], ["g"]), Proto.node("Range", ["huge", "huge", "huge"], ["h"]),
      Proto.node("Slice", ["a", "huge", "huge"], ["i"]), Proto.node("Relu", ["x"], ["y"]),
    ]
    let model = try Model.load(
      bytes: Proto.model(Proto.graph(nodes, initializers: [huge])), path: "/nowhere/m.onnx")
    let shapes = ShapeInference(model).main
    #expect(shapes.shape(of: "g") == [nil, nil] || shapes.shape(of: "g") == [0x7f7f_7f7f_7f7f_7f7f, nil])
  }
}

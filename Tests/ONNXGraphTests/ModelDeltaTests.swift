import ONNXGraph
import Testing

@Suite struct ModelDeltaTests {
  /// An edit that changes nothing but goes through the message all the same.
  private var harmless: ModelDelta {
    var delta = ModelDelta()
    delta.removedMetadata = ["no such key"]
    return delta
  }

  @Test(arguments: Fixtures.names)
  func nothingToDoIsTheSameBytes(name: String) throws {
    #expect(try ModelDelta().applied(to: try Fixtures.model(name)) == Fixtures.bytes(name))
  }

  /// Unknown fields, external data, typed tensor data: all of it comes out as it went in.
  @Test(arguments: Fixtures.names)
  func roundTripThroughTheMessage(name: String) throws {
    #expect(try harmless.applied(to: try Fixtures.model(name)) == Fixtures.bytes(name))
  }

  /// Editing inside copies the way to what is edited; that copy loses nothing either.
  @Test(arguments: Fixtures.names)
  func roundTripThroughEveryGraph(name: String) throws {
    let model = try Fixtures.model(name)
    var delta = ModelDelta()
    func visit(_ graph: Graph) {
      for node in graph.nodes {
        if let input = node.inputs.firstIndex(where: { !$0.isEmpty }) {
          // The name that it has already.
          delta[graph.location].renamedInputs[.init(node: node.index, index: input)] = node.inputs[input]
        }
        for subgraph in node.subgraphs { visit(subgraph) }
      }
    }
    visit(model.graph)
    for function in model.functions {
      var graph = model.graph
      graph.location = function.location
      graph.nodes = function.nodes
      visit(graph)
    }
    #expect(!delta.isEmpty)
    #expect(try delta.applied(to: model) == Fixtures.bytes(name))
  }

  @Test func nodesGetOtherNames() throws {
    let model = try Fixtures.model("external")
    var delta = ModelDelta()
    delta[.main].renamedNodes = [1: "second"]
    let edited = try Model.load(bytes: try delta.applied(to: model), path: model.path)
    #expect(edited.graph.nodes.map(\.name) == model.graph.nodes.enumerated().map { $0 == 1 ? "second" : $1.name })
    #expect(edited.graph.nodes.map(\.outputs) == model.graph.nodes.map(\.outputs))
    delta[.main].renamedNodes = [99: "nobody"]
    #expect(throws: ModelError.self) { try delta.applied(to: model) }
  }

  @Test func nodesAreRemovedAndInserted() throws {
    let model = try Fixtures.model("external")
    var change = GraphDelta()
    change.removedNodes = [1]
    change.insert(
      NewNode(
        "Squash", domain: "isa", name: "new", inputs: ["scaled", "", "policies"], outputs: ["pairs"],
        attributes: [
          "b": .int(3), "a": .float(0.5), "c": .string("text"), "d": .ints([1, 2]), "e": .floats([1, 2.5]),
          "f": .strings(["target", "context"]), "g": .tensor(Tensor(name: "", dims: [1, 2], floats: [3, 4])),
        ], metadata: ["namespace": "blocks.0"]), before: 1)
    change.insert(NewNode("Relu", name: "last", inputs: ["y"], outputs: ["z"]), before: 3)
    change.addedInitializers = [
      Tensor(name: "policies", dims: [2, 2], floats: [1, 2, 3, 4]), Tensor(name: "n", int64s: [7]),
    ]
    change.removedInitializers = ["two"]
    change.addedOutputs = [ValueInfo(name: "z", elementType: 1, shape: [Dimension(symbol: "n") * 2, nil, 16])]
    change.addedInputs = [ValueInfo(name: "isa.point", elementType: 7, shape: [])]
    var delta = ModelDelta()
    delta[.main] = change
    delta.opsets = ["isa": 1]
    delta.metadata = [("isa.version", "1"), ("isa.profile", "none")]
    let edited = try Model.load(bytes: try delta.applied(to: model), path: model.path)

    #expect(edited.graph.nodes.map(\.opType) == ["Mul", "Squash", "Add", "Relu"])
    let node = edited.graph.nodes[1]
    #expect(node.name == "new" && node.domain == "isa" && node.inputs == ["scaled", "", "policies"])
    #expect(node.int("b") == 3 && node.float("a") == 0.5 && node.string("c") == "text")
    #expect(node.ints("d") == [1, 2] && node.floats("e") == [1, 2.5] && node.strings("f") == ["target", "context"])
    #expect(node.tensor("g")?.floatValues() == [3, 4] && node.tensor("g")?.dims == [1, 2])
    #expect(node.metadata == ["namespace": "blocks.0"])
    #expect(edited.graph.initializers.map(\.name) == ["w", "b", "policies", "n"])
    #expect(edited.index.initializer("policies")?.floatValues() == [1, 2, 3, 4])
    #expect(edited.index.initializer("n")?.int64Values() == [7])
    #expect(edited.index.initializer("w")?.external == model.index.initializer("w")?.external)
    #expect(edited.opsets == ["": 17, "isa": 1])
    #expect(edited.metadata == ["isa.version": "1", "isa.profile": "none"])
    #expect(edited.graph.outputs.map(\.name) == ["y", "z"])
    #expect(edited.graph.outputs[1].shape == [2 * Dimension(symbol: "n"), nil, 16])
    #expect(edited.graph.inputs.map(\.name) == ["x", "isa.point"])
    #expect(edited.graph.inputs[1].shape == [])
  }

  @Test func insertedNodesKeepTheirOrder() throws {
    let model = try Fixtures.model("unsorted")
    var delta = ModelDelta()
    for name in ["a", "b", "c"] {
      delta[.main].insert(NewNode("Neg", name: name, inputs: ["x"], outputs: [name]), before: 0)
    }
    delta[.main].insert(NewNode("Neg", name: "end", inputs: ["y"], outputs: ["end"]), before: 3)
    let edited = try Model.load(bytes: try delta.applied(to: model), path: model.path)
    #expect(edited.graph.nodes.map(\.name) == ["a", "b", "c", "add", "softmax", "cast", "end"])
  }

  @Test func subgraphsAndFunctionsAreEditedWhereTheyStand() throws {
    let subgraphs = try Fixtures.model("subgraphs")
    let elseBranch = try #require(subgraphs.graph.nodes[1].subgraphs.first)
    let body = try #require(elseBranch.nodes[0].subgraphs.first)
    #expect(body.path == "if/else_branch/inner/body/")
    var delta = ModelDelta()
    delta[body.location].insert(NewNode("Neg", name: "deep", inputs: ["sum"], outputs: ["negative"]), before: 1)
    // At the same time in the list that holds it, whose positions move.
    delta[.main].insert(NewNode("Neg", name: "outer", inputs: ["x"], outputs: ["outer"]), before: 0)
    let edited = try Model.load(bytes: try delta.applied(to: subgraphs), path: subgraphs.path)
    #expect(edited.graph.nodes.map(\.name) == ["outer", "loop", "if", "", "scan", ""])
    let inner = try #require(edited.graph.nodes[2].subgraphs[0].nodes[0].subgraphs.first)
    #expect(inner.nodes.map(\.name) == ["", "deep", "", ""])
    // The loop of the main graph has the same body and is not touched.
    #expect(edited.graph.nodes[1].subgraphs[0].nodes.count == 3)

    let functions = try Fixtures.model("functions")
    let scaled = try #require(functions.functions.first { $0.name == "Scaled" })
    var change = ModelDelta()
    change.opsets = ["isa": 1]
    change[scaled.location].removedNodes = [1]
    change[scaled.location].insert(
      NewNode("Scale", domain: "isa", name: "own", inputs: ["a", "s"], outputs: ["b"]), before: 1)
    let patched = try Model.load(bytes: try change.applied(to: functions), path: functions.path)
    let result = try #require(patched.functions.first { $0.name == "Scaled" })
    #expect(result.nodes.map(\.opType) == ["Constant", "Scale"])
    #expect(result.opsets == ["": 17, "isa": 1])
    #expect(patched.functions.first { $0.name == "Block" }?.opsets == ["": 17, "local": 1])
  }

  @Test func declaredTypesOfRemovedValuesGo() throws {
    let model = try Fixtures.model("every_value")
    var delta = ModelDelta()
    delta[.main].removedNodes = [0]
    let edited = try Model.load(bytes: try delta.applied(to: model), path: model.path)
    #expect(edited.graph.valueInfo.isEmpty)
    // One that is made by another node stays, with what this reader does not know of it.
    delta[.main].insert(NewNode("Neg", name: "", inputs: ["x"], outputs: ["everything"]), before: 0)
    let kept = try delta.applied(to: model)
    #expect(try Model.load(bytes: kept, path: model.path).graph.valueInfo.map(\.name) == ["everything"])
    #expect(String(decoding: kept, as: UTF8.self).contains("value value"))
    #expect(String(decoding: kept, as: UTF8.self).contains("graph value"))
    #expect(String(decoding: kept, as: UTF8.self).contains("tensor value"))
  }

  @Test func metadataIsReplacedAndRemoved() throws {
    let model = try Fixtures.model("every_value")
    var delta = ModelDelta()
    delta.metadata = [("key", "new")]
    delta.removedMetadata = ["other"]
    #expect(try Model.load(bytes: try delta.applied(to: model), path: model.path).metadata == ["key": "new"])
  }

  @Test func theModelIsNotChangedByItsEdits() throws {
    let model = try Fixtures.model("subgraphs")
    var delta = ModelDelta()
    delta[.main].removedNodes = [0, 1, 2, 3]
    _ = try delta.applied(to: model)
    #expect(model.graph.nodes.count == 5)
    #expect(try harmless.applied(to: model) == Fixtures.bytes("subgraphs"))
  }

  @Test func editsThatDoNotFitAreRefused() throws {
    let model = try Fixtures.model("unsorted")
    let edits: [(inout ModelDelta) -> Void] = [
      { $0[.main].removedNodes = [3] },
      { $0[.main].removedNodes = [-1] },
      { $0[.main].insert(NewNode("Neg", name: "", inputs: [], outputs: []), before: 4) },
      { $0[.main].renamedInputs[.init(node: 0, index: 2)] = "other" },
      { $0[GraphLocation(function: 0)].removedNodes = [0] },
      { $0[.main].addedInitializers = [Tensor(name: "w2", elementType: .float32, dims: [3], bytes: [0, 0, 0, 0])] },
    ]
    for edit in edits {
      var delta = ModelDelta()
      edit(&delta)
      do throws(ModelError) {
        _ = try delta.applied(to: model)
        Issue.record("an edit that does not fit was applied")
      } catch {
        #expect(error.category == .software)
      }
    }
  }
}

import GraphRewriting
import ONNXGraph
import TestSupport
import Testing

@Suite struct GraphSpecificationTests {
  private func model() throws -> Model {
    var m = TinyModel()
    m.input("x", 1, [2])
    m.node("Relu", name: "first", ["x"], ["y"])
    m.node("Clip", ["y", "", "y"], ["z"])
    m.output("z", 1)
    return try Model.load(bytes: m.bytes, path: "tiny.onnx")
  }

  private func edited(_ change: (inout ModelDelta) -> Void) throws -> String? {
    let model = try model()
    var delta = ModelDelta()
    change(&delta)
    return GraphSpecification.violation(in: try Model.load(bytes: try delta.applied(to: model), path: "tiny.onnx"))
  }

  @Test func legalGraphsPass() throws {
    #expect(GraphSpecification.violation(in: try model()) == nil)
  }

  @Test func everyDomainIsImported() throws {
    let node = NewNode("Thing", domain: "elsewhere", name: "stray", inputs: ["y"], outputs: ["unused"])
    let found = try edited { $0[.main].insert(node, before: 1) }
    #expect(found?.contains("elsewhere") == true)
    #expect(found?.contains("stray") == true)
    #expect(
      try edited {
        $0[.main].insert(node, before: 1)
        $0.opsets["elsewhere"] = 1
      } == nil)
  }

  /// The loader itself finds what nothing makes, so that no such graph is ever written.
  @Test func aRewriteThatLosesAValueDoesNotLoad() {
    #expect(throws: ModelError.self) { try edited { $0[.main].removedNodes = [0] } }
    #expect(throws: ModelError.self) { try edited { $0[.main].removedNodes = [1] } }
  }
}

import GraphRewriting
import ONNXGraph
import TestSupport
import Testing

private func violation(_ build: (inout TinyModel) -> Void) throws -> String? {
  var m = TinyModel()
  m.input("x", 1, [2])
  build(&m)
  return GraphSpecification.violation(in: try Model.load(bytes: m.bytes, path: "tiny.onnx"))
}

@Suite struct GraphSpecificationTests {
  @Test func legalGraphsPass() throws {
    #expect(
      try violation {
        $0.node("Relu", ["x"], ["y"])
        $0.node("Clip", ["y", "", "y"], ["z"])
        $0.output("z", 1)
      } == nil)
  }

  @Test func everyInputIsMade() throws {
    let found = try violation {
      $0.node("Relu", name: "lost", ["nowhere"], ["y"])
      $0.output("y", 1)
    }
    #expect(found?.contains("nowhere") == true)
    #expect(found?.contains("lost") == true)
  }

  @Test func everyOutputIsMade() throws {
    let found = try violation {
      $0.node("Relu", ["x"], ["y"])
      $0.output("other", 1)
    }
    #expect(found?.contains("other") == true)
  }
}

import Foundation

/// The operator library that patched models need.
public enum OpLibrary {
  public static let fileName = "libisa_ops.so"
  public static let environmentVariable = "ISA_OP_LIBRARY"

  /// Finds it: `path` (a file or a folder), the environment's ISA_OP_LIBRARY, the executable's folder and `../lib` from
  /// there, `.build/release` in the working directory, the model's folder.
  ///
  /// - Throws: `opLibraryMissing` with the path that was named, or with the last one tried.
  public static func find(_ path: String? = nil, besideModel model: String? = nil) throws(RuntimeError) -> String {
    for name in [path, ProcessInfo.processInfo.environment[environmentVariable]] {
      guard let name, !name.isEmpty else { continue }
      var isFolder: ObjCBool = false
      let exists = FileManager.default.fileExists(atPath: name, isDirectory: &isFolder)
      let file = exists && isFolder.boolValue ? name + "/" + fileName : absolute(name)
      guard fileExists(file) else { throw .opLibraryMissing(path: file) }
      return file
    }
    let beside = LibrarySearch.executableFolder
    var folders = [beside, beside + "/../lib", FileManager.default.currentDirectoryPath + "/.build/release"]
    if let model { folders.append(URL(fileURLWithPath: model).deletingLastPathComponent().path) }
    for folder in folders where fileExists(folder + "/" + fileName) {
      return folder + "/" + fileName
    }
    throw .opLibraryMissing(path: beside + "/" + fileName)
  }

  private static func absolute(_ path: String) -> String {
    path.contains("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
  }
}
